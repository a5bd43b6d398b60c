//go:build !linux

package test

// linkedWorker needs Linux's network namespaces.
func linkedWorker(c *cluster, _ string) wire {
	c.t.Helper()
	c.t.Skip("needs the network namespaces of Linux")
	return wire{}
}
