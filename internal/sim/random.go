package sim

import "time"

// random is a sequence of numbers that depends on nothing but its seed
// (splitmix64), so that a seed means the same whatever Go it is built with.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return mix(r.state)
}

// mix spreads the bits of x.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// below is a number from 0 to n-1.
func (r *random) below(n int) int { return int(r.next() % uint64(n)) }

// between is a number from low to high.
func (r *random) between(low, high int) int { return low + r.below(high-low+1) }

// within is a duration from low to high.
func (r *random) within(low, high time.Duration) time.Duration {
	return low + time.Duration(r.next()%uint64(high-low+1))
}

// oneIn is true once in n times.
func (r *random) oneIn(n int) bool { return r.below(n) == 0 }

// percent is true p times in a hundred.
func (r *random) percent(p int) bool { return r.below(100) < p }

// pick is one of them.
func pick[T any](r *random, of ...T) T { return of[r.below(len(of))] }
