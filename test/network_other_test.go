//go:build !linux

package test

// linkedWorker needs Linux's network namespaces.
func linkedWorker(l *lab, _ string) wire {
	l.t.Helper()
	l.t.Skip("needs the network namespaces of Linux")
	return wire{}
}
