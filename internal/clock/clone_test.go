package clock

import (
	"testing"
	"time"
)

// What is added to one of two estimates leaves the other as it is.
func TestACloneGoesItsOwnWay(t *testing.T) {
	t.Parallel()
	var o Offset
	for n := range 40 {
		o.Add(exchange(epoch.Add(time.Duration(n)*time.Second), time.Second, time.Millisecond))
	}
	c := o.Clone()
	value, bound, samples := c.Value(), c.Error(), c.Samples()
	at := epoch.Add(20 * time.Second)
	was := c.Instant(at)
	for n := range 40 {
		o.Add(exchange(epoch.Add(40*time.Second+time.Duration(n)*time.Second), time.Second, time.Microsecond))
	}
	if c.Value() != value || c.Error() != bound || c.Samples() != samples || c.Instant(at) != was {
		t.Errorf("%s ± %s of %d samples has become %s ± %s of %d", value, bound, samples, c.Value(), c.Error(), c.Samples())
	}
	if o.Error() >= bound {
		t.Errorf("the other one is known to ±%s, want less than %s", o.Error(), bound)
	}
}
