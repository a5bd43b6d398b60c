package amqp

import (
	"context"
	"fmt"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"downbeat/internal/queue"
)

// delivery makes a [queue.Delivery] of the arrival.
func (a *arrival) delivery() *queue.Delivery {
	m := queue.Message{Body: a.content.Body, Persistent: a.content.DeliveryMode == amqp091.Persistent}
	if len(a.content.Headers) > 0 {
		m.Header = make(map[string]string, len(a.content.Headers))
		for k, v := range a.content.Headers {
			m.Header[k] = fmt.Sprint(v)
		}
	}
	return &queue.Delivery{
		Message:     m,
		Redelivered: a.content.Redelivered,
		ReceivedAt:  a.at,
		Ack: func(ctx context.Context) error {
			return a.settle(ctx, "acknowledge", func(tag uint64) error { return a.sub.channel.Ack(tag, false) })
		},
		Nack: func(ctx context.Context) error {
			return a.settle(ctx, "put back", func(tag uint64) error { return a.sub.channel.Nack(tag, false, true) })
		},
	}
}

// settle answers the delivery, once, over the subscription that it came over; if that has
// ended, it does nothing. A second answer would make RabbitMQ close the channel.
func (a *arrival) settle(ctx context.Context, what string, answer func(tag uint64) error) error {
	if a.settled.Swap(true) || a.sub.over.Load() {
		return nil
	}
	err := a.sub.session.write(ctx, func() error {
		a.sub.turn.Lock()
		defer a.sub.turn.Unlock()
		return answer(a.content.DeliveryTag)
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s a message of %s: %w", what, a.content.RoutingKey, ended(ctx, errLost))
	}
	return nil
}
