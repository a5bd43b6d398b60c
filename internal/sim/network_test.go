package sim

import (
	"testing"
	"time"
)

// wire is a network of two machines, and what came to the second.
func wire(plan Network) (*engine, *network, *station, *station, *[]uint64) {
	e := new(engine)
	n := &network{e: e, plan: &plan, spy: func(*parcel) {}}
	a, b := n.add("a"), n.add("b")
	var came []uint64
	b.deliver = func(p *parcel) { came = append(came, p.seq) }
	return e, n, a, b, &came
}

func settle(e *engine) {
	for e.next(never) {
	}
}

// A message arrives after its delay. A machine that does not read finds it in its queue,
// and one that is cut off keeps its messages.
func TestNetworkKeepsWhatCannotMove(t *testing.T) {
	t.Parallel()
	e, n, a, b, came := wire(Network{Delay: time.Millisecond, Ordered: true})
	b.up = false
	n.send(&parcel{from: a, to: b, seq: 1})
	settle(e)
	n.cutOff(a, true, false, time.Second)
	n.send(&parcel{from: a, to: b, seq: 2})
	e.next(instant(time.Second) - 1)
	if len(*came) != 0 {
		t.Fatalf("%v came", *came)
	}
	b.up = true
	n.flush(b)
	settle(e)
	if len(*came) != 2 || (*came)[0] != 1 || (*came)[1] != 2 {
		t.Errorf("%v came, want 1 and 2", *came)
	}
}

// A broker that restarts loses what is transient, one that comes back empty the rest too.
func TestBrokerLosesWhatItMay(t *testing.T) {
	t.Parallel()
	for _, emptied := range []bool{false, true} {
		e, n, a, b, came := wire(Network{Delay: time.Second})
		n.send(&parcel{from: a, to: b, seq: 1, persistent: true})
		n.send(&parcel{from: a, to: b, seq: 2})
		n.stop(emptied)
		n.send(&parcel{from: a, to: b, seq: 3}) // waits until it is back
		n.start()
		settle(e)
		want := 2
		if emptied {
			want = 1
		}
		if len(*came) != want || (*came)[want-1] != 3 {
			t.Errorf("emptied %t: %v came", emptied, *came)
		}
	}
}

// Messages come twice and get lost as often as the plan says, but those that are
// persistent come at least once.
func TestNetworkDoublesAndLoses(t *testing.T) {
	t.Parallel()
	e, n, a, b, came := wire(Network{Seed: 3, Delay: time.Millisecond, TwicePercent: 20, LossPercent: 10})
	const many = 10_000
	for range many {
		n.send(&parcel{from: a, to: b, seq: 1})
		n.send(&parcel{from: a, to: b, seq: 2, persistent: true})
	}
	settle(e)
	var by [3]int
	for _, seq := range *came {
		by[seq]++
	}
	if by[1] < many*105/100 || by[1] > many*115/100 || by[2] < many*118/100 || by[2] > many*122/100 {
		t.Errorf("of %d each, %d transient and %d persistent ones came", many, by[1], by[2])
	}
}

// To a queue that is not there nothing can be sent.
func TestNetworkTellsThatThereIsNoQueue(t *testing.T) {
	t.Parallel()
	_, n, a, b, _ := wire(Network{})
	b.gone = true
	if n.send(&parcel{from: a, to: b}) {
		t.Error("it was sent")
	}
}
