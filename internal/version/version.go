// Package version tells which build of Downbeat this is.
package version

import "runtime/debug"

// number is what is being worked towards; see CHANGELOG.md.
const number = "0.1.0-dev"

// String is the version, with the commit it was built from where Go knows it:
// "0.1.0-dev (1a2b3c4d5e6f)".
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return number
	}
	var commit, modified string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				modified = ", modified"
			}
		}
	}
	if commit == "" {
		return number
	}
	return number + " (" + commit + modified + ")"
}
