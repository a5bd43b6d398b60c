package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"downbeat/internal/results"
)

// Shell completion: see `publish completion`.

// completeFile offers files that can be experiments, and directories that may lead to them.
// Where publish offers commands, the shell does not complete files by itself, so they are
// listed here.
func completeFile(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return complete(word, func(name string) bool {
		switch strings.ToLower(filepath.Ext(name)) {
		case ".json", ".yaml", ".yml":
			return true
		}
		return false
	}, func(string) bool { return false })
}

// completeExperiment offers directories of experiments and those that lead to them.
func completeExperiment(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return complete(word, func(string) bool { return false }, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, results.ExperimentFile))
		return err == nil
	})
}

// completeSides offers directories of experiments, up to two.
func completeSides(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeExperiment(cmd, nil, word)
}

// completeResults offers directories of experiments and of runs.
func completeResults(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return complete(word, func(string) bool { return false }, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, results.RecordFile))
		return err == nil
	})
}

// completeDirectory offers directories.
func completeDirectory(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// complete lists the files that are wanted and the directories that begin with word; a
// directory ends with a slash if the path may continue below it. Hidden ones are offered only
// if word names them.
func complete(word string, file, whole func(string) bool) ([]string, cobra.ShellCompDirective) {
	dir, base := filepath.Split(word)
	entries, err := os.ReadDir(orElse(dir, "."))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []string
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, base) || strings.HasPrefix(name, ".") && !strings.HasPrefix(base, ".") {
			continue
		}
		path := dir + name
		info, err := os.Stat(path) // follows links
		switch {
		case err != nil:
		case info.IsDir() && whole(path):
			found = append(found, path)
		case info.IsDir():
			found = append(found, path+"/")
			directive |= cobra.ShellCompDirectiveNoSpace
		case file(name):
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return found, directive
}

// none offers nothing, for words that can't be completed, such as a run id.
func none(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeFlags offers the values of flags.
func completeFlags(root *cobra.Command) {
	for name, offer := range map[string]cobra.CompletionFunc{
		"output":    cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp),
		"log-level": cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp),
		"queue":     cobra.FixedCompletions([]string{embedded, "amqp://", "amqps://", "sqs://"}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace),
		"results": func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			return completeDirectory(c, nil, word)
		},
		"namespace":     none,
		"ready-timeout": none,
		"lease":         none,
		"retries":       none,
		"max-failures":  none,
		"only":          none,
		"datapoint":     none,
		"repeat":        none,
	} {
		if err := root.RegisterFlagCompletionFunc(name, offer); err != nil {
			panic(err) // no such flag: a mistake in the table above
		}
	}
}
