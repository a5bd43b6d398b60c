package sim

// mail is what has been posted to somebody and not read yet, in its order.
type mail[T any] struct {
	all  []T
	read int // how many of them were
}

func (m *mail[T]) put(letter T) { m.all = append(m.all, letter) }

func (m *mail[T]) empty() bool { return m.read == len(m.all) }

// first is what take would take.
func (m *mail[T]) first() *T { return &m.all[m.read] }

// take takes the first out. There must be one.
func (m *mail[T]) take() T {
	var none T
	first := m.all[m.read]
	m.all[m.read] = none
	m.read++
	if m.empty() {
		m.all, m.read = m.all[:0], 0
	}
	return first
}
