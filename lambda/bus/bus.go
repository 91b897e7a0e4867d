// Package bus delivers events to other systems through EventBridge's default bus.
package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"tourniquet/lambda/notice"
)

// Actions are the IAM actions of the calls that this package makes. The role can
// limit them to the default bus and, with the key events:source, to notice.Source.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
var Actions = []string{"events:PutEvents"}

// maxEntries is how many entries a call takes.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
const maxEntries = 10

// A Bus is the default event bus of the account and Region. Its client is made at
// the first event: most invocations have none.
type Bus struct{ client func() *eventbridge.Client }

// New is the default bus.
func New(cfg aws.Config) *Bus {
	return &Bus{client: sync.OnceValue(func() *eventbridge.Client { return eventbridge.NewFromConfig(cfg) })}
}

// An EntryError says that the bus did not take an event, though the call succeeded.
type EntryError struct {
	DetailType string
	Resources  []string
	Code       string // EventBridge's: "ThrottlingException" and others
	Message    string
}

func (e *EntryError) Error() string {
	return fmt.Sprintf("the event bus refuses %q of %v: %s: %s", e.DetailType, e.Resources, e.Code, e.Message)
}

// Put delivers events, and returns an error for each that the bus did not take, in
// the events' order: nil for those that it has. A call that succeeds may still have
// refused entries of it, hence the look at each.
func (b *Bus) Put(ctx context.Context, events []notice.Event) []error {
	var errs []error
	for part := range slices.Chunk(events, maxEntries) {
		errs = append(errs, b.put(ctx, part)...)
	}
	return errs
}

func (b *Bus) put(ctx context.Context, events []notice.Event) []error {
	errs := make([]error, len(events))
	fail := func(err error) []error {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	var entries []types.PutEventsRequestEntry
	for _, e := range events {
		entries = append(entries, types.PutEventsRequestEntry{
			Source: aws.String(notice.Source), DetailType: aws.String(e.DetailType), Resources: e.Resources, Detail: aws.String(e.Detail),
		})
	}
	out, err := b.client().PutEvents(ctx, &eventbridge.PutEventsInput{Entries: entries})
	switch {
	case err != nil:
		return fail(fmt.Errorf("putting %d events: %w", len(events), err))
	case out.FailedEntryCount == 0:
		return errs
	case len(out.Entries) != len(events):
		return fail(errors.New("putting events: the bus refuses some, and does not say which"))
	}
	for i, entry := range out.Entries {
		if entry.ErrorCode != nil {
			errs[i] = &EntryError{events[i].DetailType, events[i].Resources, *entry.ErrorCode, aws.ToString(entry.ErrorMessage)}
		}
	}
	return errs
}
