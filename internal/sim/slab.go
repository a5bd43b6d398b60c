package sim

// A slab makes things of one kind, many at a time, for a world that is soon over with all of
// them.
type slab[T any] struct{ free []T }

const slabSize = 64

// put gives the thing a place.
func (s *slab[T]) put(thing T) *T {
	if len(s.free) == 0 {
		s.free = make([]T, slabSize)
	}
	place := &s.free[0]
	s.free = s.free[1:]
	*place = thing
	return place
}
