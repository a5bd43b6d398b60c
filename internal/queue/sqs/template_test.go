package sqs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"downbeat/internal/queue"
)

// A template is the part of the CloudFormation template that is looked at.
type template struct {
	Resources map[string]struct {
		Type       string `yaml:"Type"`
		Properties struct {
			QueueName                     string         `yaml:"QueueName"`
			VisibilityTimeout             int            `yaml:"VisibilityTimeout"`
			ReceiveMessageWaitTimeSeconds int            `yaml:"ReceiveMessageWaitTimeSeconds"`
			MessageRetentionPeriod        int            `yaml:"MessageRetentionPeriod"`
			MaximumMessageSize            int            `yaml:"MaximumMessageSize"`
			RedrivePolicy                 map[string]any `yaml:"RedrivePolicy"`
			PolicyDocument                struct {
				Statement []struct {
					Action   []string `yaml:"Action"`
					Resource any      `yaml:"Resource"`
				} `yaml:"Statement"`
			} `yaml:"PolicyDocument"`
		} `yaml:"Properties"`
	} `yaml:"Resources"`
}

func readTemplate(t *testing.T) template {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "aws", "downbeat.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var parsed template
	if err := yaml.Unmarshal(data, &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

// The template's queues have the attributes that workers would give theirs.
func TestTemplateMakesTheSameQueues(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	b := open(t, f.URL)
	t.Cleanup(func() { _ = b.Close() })
	for _, spec := range []queue.Spec{
		{Name: "ns.dead", MaxMessages: 10},
		{Name: "ns.jobs.alpha", Group: "ns.jobs", DeadLetter: "ns.dead"},
		{Name: "ns.control.alpha", DeadLetter: "ns.dead"},
	} {
		if err := b.Declare(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	parsed := readTemplate(t)
	f.mu.Lock()
	defer f.mu.Unlock()
	for resource, name := range map[string]string{"Dead": "ns-dead", "ExampleJobs": "ns-jobs-alpha", "ExampleControl": "ns-control-alpha"} {
		p, made := parsed.Resources[resource].Properties, f.queues[name].attributes
		for attribute, value := range map[string]int{
			"VisibilityTimeout": p.VisibilityTimeout, "ReceiveMessageWaitTimeSeconds": p.ReceiveMessageWaitTimeSeconds,
			"MessageRetentionPeriod": p.MessageRetentionPeriod, "MaximumMessageSize": p.MaximumMessageSize,
		} {
			if fmt.Sprint(value) != made[attribute] {
				t.Errorf("%s: %s is %d, workers make it %s", resource, attribute, value, made[attribute])
			}
		}
		if (p.RedrivePolicy == nil) != (made["RedrivePolicy"] == "") || p.RedrivePolicy != nil && !strings.Contains(made["RedrivePolicy"], fmt.Sprint(p.RedrivePolicy["maxReceiveCount"])) {
			t.Errorf("%s: redrive policy is %v, workers make it %s", resource, p.RedrivePolicy, made["RedrivePolicy"])
		}
		if got := strings.NewReplacer("${Namespace}", "ns", "${ExampleHost}", "alpha").Replace(p.QueueName); got != name {
			t.Errorf("%s: its name is %s, workers make it %s", resource, got, name)
		}
	}
}

// The policies allow what is asked for, and nothing but that.
func TestTemplateAllowsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	used := []string{
		"sqs:ChangeMessageVisibility", "sqs:CreateQueue", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
		"sqs:ListQueueTags", "sqs:ReceiveMessage", "sqs:SendMessage", "sqs:TagQueue",
	}
	for policy, want := range map[string][]string{
		"WorkerPolicy":    used,
		"PublisherPolicy": append(slices.Clone(used), "sqs:DeleteQueue", "sqs:ListQueues"),
	} {
		var allowed []string
		for _, statement := range readTemplate(t).Resources[policy].Properties.PolicyDocument.Statement {
			allowed = append(allowed, statement.Action...)
			if statement.Resource == "*" && !slices.Equal(statement.Action, []string{"sqs:ListQueues"}) {
				t.Errorf("%s allows %v on everything", policy, statement.Action)
			}
		}
		slices.Sort(allowed)
		slices.Sort(want)
		if got := slices.Compact(allowed); !slices.Equal(got, want) {
			t.Errorf("%s allows %v, want %v", policy, got, want)
		}
	}
}
