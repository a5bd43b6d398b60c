package course

import (
	"fmt"
	"slices"
	"time"

	"downbeat/internal/message"
)

// Questions of processes to each other, by way of the publisher: each is logged, then sent
// again until its answer comes, and answered here if that does not come in time.

const (
	maxAsked   = 1000 // that wait for an answer
	askedAgain = time.Second
	// answerLate is how long after its own time a question waits for the publisher's word.
	answerLate = 10 * time.Second
)

// An ask waits for its answer.
type ask struct {
	token  uint64 // the worker's name for it
	event  *message.Event
	sendAt time.Time // when it is sent again
	until  time.Time
}

// isAsked passes a question on, or answers it where the publisher can't.
func (r *Run) isAsked(in Asked) {
	if err := in.Info.Check(); err != nil {
		r.emit(Answered{Token: in.Token, Error: err.Error()})
		return
	}
	r.asking = in
	if !r.fire(onAsked) {
		r.emit(Answered{Token: in.Token, Error: noAnswer})
	}
}

const noAnswer = "the run is over, or is being stopped"

func tooManyAsks(r *Run) bool { return len(r.asks) >= maxAsked }

func refuseAsk(r *Run) {
	r.emit(Answered{Token: r.asking.Token, Error: fmt.Sprintf("%d requests wait for an answer already", maxAsked)})
}

func passOn(r *Run) {
	r.askIDs++
	info := r.asking.Info
	info.ID = r.askIDs
	e := &message.Event{Kind: message.Asked, Time: r.asking.At, Asked: &info}
	r.asks = append(r.asks, ask{r.asking.Token, e, r.now.Add(askedAgain), r.now.Add(info.Within() + answerLate)})
	r.report(e)
}

// takeAnswers gives processes what the publisher has answered.
func (r *Run) takeAnswers(answers []message.Answer) {
	for i := range answers {
		a := &answers[i]
		n := slices.IndexFunc(r.asks, func(k ask) bool { return k.event.Asked.ID == a.ID })
		if n < 0 {
			continue
		}
		r.emit(Answered{Token: r.asks[n].token, At: a.At, Value: a.Value, Error: a.Error, TimedOut: a.TimedOut})
		r.asks = slices.Delete(r.asks, n, n+1)
	}
}

// nextAsk is when a question is sent again. They are in the order of that.
func (r *Run) nextAsk() time.Time {
	if len(r.asks) == 0 {
		return never
	}
	return r.asks[0].sendAt
}

// repeatAsks sends again what is due, and gives up what has had its time.
func (r *Run) repeatAsks() {
	for len(r.asks) > 0 && !r.now.Before(r.asks[0].sendAt) {
		k := r.asks[0]
		r.asks = slices.Delete(r.asks, 0, 1)
		if !r.now.Before(k.until) {
			r.emit(Answered{Token: k.token, Error: "the publisher has not answered", TimedOut: true})
			continue
		}
		k.sendAt = r.now.Add(askedAgain)
		r.asks = append(r.asks, k)
		again := *k.event
		r.reply(&again)
	}
}

// answerAll has nobody wait any longer for an answer.
func answerAll(r *Run) {
	for _, k := range r.asks {
		r.emit(Answered{Token: k.token, Error: noAnswer})
	}
	r.asks = nil
}
