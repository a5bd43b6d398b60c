package sqs_test

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A fake is a small SQS in this process that can be told to go wrong.
//
// It differs from fauxqs, which the documentation of AWS decides for it:
// messages come in no order (here the newest first), a message put back is no
// later than others, and a deleted queue's name is refused for some time.
type fake struct {
	*httptest.Server

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when something may be received
	queues  map[string]*fakeQueue
	calls   map[string]int
	skew    time.Duration // of its clock against ours

	// fault, if set, is asked before each request; a non-empty code refuses it.
	fault func(action string, call int) (status int, code string)
	// entry, if set, is asked before each entry of a batch.
	entry func(action string, body string) (code string, sender bool)
	// twice: every message is delivered, then delivered again.
	twice bool
	// refused is for how long a deleted name is.
	refused time.Duration
	deleted map[string]time.Time
}

type fakeQueue struct {
	attributes map[string]string
	tags       map[string]string
	messages   []*fakeMessage
}

type fakeMessage struct {
	id, body, receipt string
	sent, visible     time.Time
	received          int
}

func newFake(t *testing.T) *fake {
	f := &fake{changed: make(chan struct{}), queues: make(map[string]*fakeQueue), calls: make(map[string]int), deleted: make(map[string]time.Time)}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// request is the union of what the requests have.
type request struct {
	QueueName, QueueNamePrefix, MessageBody string
	QueueURL                                string `json:"QueueUrl"`
	Attributes                              map[string]string
	Tags                                    map[string]string // "tags" in CreateQueue: names are compared without case
	AttributeNames                          []string
	MaxNumberOfMessages, WaitTimeSeconds    int
	VisibilityTimeout                       int
	Entries                                 []struct {
		MessageBody, ReceiptHandle string
		ID                         string `json:"Id"`
		VisibilityTimeout          int
	}
}

type object = map[string]any

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var in request
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	f.calls[action]++
	call, fault, now := f.calls[action], f.fault, time.Now().Add(f.skew)
	f.mu.Unlock()
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if off := now.Sub(signed); err != nil || off.Abs() > 15*time.Minute {
		refuse(w, http.StatusForbidden, "RequestTimeTooSkewed")
		return
	}
	if fault != nil {
		if status, code := fault(action, call); code != "" {
			refuse(w, status, code)
			return
		}
	}
	out, code := f.do(r, action, &in)
	if code != "" {
		refuse(w, http.StatusBadRequest, code)
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object{"__type": "com.amazonaws.sqs#" + code, "message": "as the test wants it"})
}

// do carries out a request, or refuses it with a code.
func (f *fake) do(r *http.Request, action string, in *request) (out object, code string) {
	if action == "ReceiveMessage" {
		return f.receive(r, in)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch action {
	case "CreateQueue":
		return f.create(in)
	case "ListQueues":
		var urls []string
		for name := range f.queues {
			if strings.HasPrefix(name, in.QueueNamePrefix) {
				urls = append(urls, f.URL+"/1/"+name)
			}
		}
		return object{"QueueUrls": urls}, ""
	}
	name := in.QueueName + in.QueueURL[strings.LastIndexByte(in.QueueURL, '/')+1:]
	q := f.queues[name]
	if q == nil {
		return nil, "QueueDoesNotExist"
	}
	switch action {
	case "GetQueueUrl":
		return object{"QueueUrl": f.URL + "/1/" + name}, ""
	case "DeleteQueue":
		delete(f.queues, name)
		f.deleted[name] = time.Now()
		f.wake()
	case "GetQueueAttributes":
		return object{"Attributes": q.all(name)}, ""
	case "ListQueueTags":
		return object{"Tags": maps.Clone(q.tags)}, "" // it is encoded when the lock is free again
	case "TagQueue":
		maps.Copy(q.tags, in.Tags)
	case "SendMessage":
		defer f.wake()
		return q.send(in.MessageBody), ""
	case "SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch":
		return f.batch(q, action, in), ""
	}
	return object{}, ""
}

func (f *fake) create(in *request) (object, string) {
	if time.Since(f.deleted[in.QueueName]) < f.refused {
		return nil, "QueueDeletedRecently"
	}
	if f.queues[in.QueueName] == nil {
		if in.Tags == nil {
			in.Tags = map[string]string{}
		}
		f.queues[in.QueueName] = &fakeQueue{attributes: in.Attributes, tags: in.Tags}
	}
	return object{"QueueUrl": f.URL + "/1/" + in.QueueName}, ""
}

func (q *fakeQueue) all(name string) map[string]string {
	visible := 0
	for _, m := range q.messages {
		if !m.visible.After(time.Now()) {
			visible++
		}
	}
	all := map[string]string{"QueueArn": "arn:aws:sqs:eu-central-1:1:" + name, "ApproximateNumberOfMessages": strconv.Itoa(visible)}
	maps.Copy(all, q.attributes)
	return all
}

func digest(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (q *fakeQueue) send(body string) object {
	m := &fakeMessage{id: rand.Text(), body: body, sent: time.Now()}
	q.messages = append(q.messages, m)
	return object{"MessageId": m.id, "MD5OfMessageBody": digest(body)}
}

// wake lets polls look again; the lock is held.
func (f *fake) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// batch carries out each entry for itself.
func (f *fake) batch(q *fakeQueue, action string, in *request) object {
	defer f.wake()
	var done, failed []object
	fail := func(id, code string, sender bool) {
		failed = append(failed, object{"Id": id, "Code": code, "SenderFault": sender, "Message": "as the test wants it"})
	}
	for _, e := range in.Entries {
		if f.entry != nil {
			if code, sender := f.entry(action, e.MessageBody); code != "" {
				fail(e.ID, code, sender)
				continue
			}
		}
		result := object{}
		limit, _ := strconv.Atoi(q.attributes["MaximumMessageSize"])
		i := slices.IndexFunc(q.messages, func(m *fakeMessage) bool { return m.receipt == e.ReceiptHandle })
		switch {
		case action == "SendMessageBatch" && len(e.MessageBody) > limit:
			fail(e.ID, "InvalidParameterValue", true)
			continue
		case action == "SendMessageBatch":
			result = q.send(e.MessageBody)
		case i < 0 || e.ReceiptHandle == "":
			fail(e.ID, "ReceiptHandleIsInvalid", true)
			continue
		case action == "DeleteMessageBatch":
			q.messages = slices.Delete(q.messages, i, i+1)
		default:
			q.messages[i].visible = time.Now().Add(time.Duration(e.VisibilityTimeout) * time.Second)
		}
		result["Id"] = e.ID
		done = append(done, result)
	}
	return object{"Successful": done, "Failed": failed}
}

// receive waits for messages as a long poll does.
func (f *fake) receive(r *http.Request, in *request) (object, string) {
	deadline := time.After(time.Duration(in.WaitTimeSeconds) * time.Second)
	for {
		f.mu.Lock()
		q := f.queues[in.QueueURL[strings.LastIndexByte(in.QueueURL, '/')+1:]]
		if q == nil {
			f.mu.Unlock()
			return nil, "QueueDoesNotExist"
		}
		taken := f.take(q, in)
		changed := f.changed
		f.mu.Unlock()
		if len(taken) > 0 {
			return object{"Messages": taken}, ""
		}
		select {
		case <-changed:
		case <-time.After(50 * time.Millisecond): // a visibility may be over
		case <-deadline:
			return object{}, ""
		case <-r.Context().Done():
			return object{}, ""
		}
	}
}

func (f *fake) take(q *fakeQueue, in *request) []object {
	var taken []object
	for _, m := range slices.Backward(q.messages) {
		if len(taken) == in.MaxNumberOfMessages || m.visible.After(time.Now()) {
			continue
		}
		m.received++
		m.receipt = rand.Text()
		if m.visible = time.Now().Add(time.Duration(in.VisibilityTimeout) * time.Second); f.twice && m.received == 1 {
			m.visible = time.Now()
		}
		taken = append(taken, object{
			"MessageId": m.id, "ReceiptHandle": m.receipt, "Body": m.body, "MD5OfBody": digest(m.body),
			"Attributes": object{"ApproximateReceiveCount": strconv.Itoa(m.received), "SentTimestamp": strconv.FormatInt(m.sent.Add(f.skew).UnixMilli(), 10)},
		})
	}
	return taken
}

// show makes everything in the queue visible, as when the time of whoever holds
// it is over.
func (f *fake) show(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.queues[name].messages {
		m.visible = time.Time{}
	}
	f.wake()
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) count(action string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[action]
}

// left is how many messages are in the queue, hidden ones included.
func (f *fake) left(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.queues[name] == nil {
		return -1
	}
	return len(f.queues[name].messages)
}

// String tells what is in the queues, to explain a failure.
func (f *fake) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all strings.Builder
	for name, q := range f.queues {
		fmt.Fprintf(&all, "%s: %d messages; ", name, len(q.messages))
	}
	return all.String()
}
