// Package udpclock compares the clocks of two machines directly, by small UDP datagrams
// that the kernels of both stamp as they leave and arrive. A [Prober] asks, on the
// publisher's machine; a [Responder] answers, on a host.
//
// An exchange is a [clock.Sample] like one that goes through the broker, and proves the
// same: nothing arrives before it was sent. The times in it keep to the safe side: what
// was sent is given the earliest time at which that can have been, what was received the
// latest. So a [stamp] may be rough, and is never wrong.
//
// Both sides know a [Key]. What is not authenticated with it is dropped without an answer,
// what was there before is dropped too, an answer is as long as its question, and there
// are only so many answers a second.
package udpclock
