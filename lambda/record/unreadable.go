package record

import (
	"errors"
	"fmt"
	"strings"
)

// An ItemError is an item of the ledger that can't be read: a later version of this
// program wrote it (ErrNewerRecord), or it is damaged.
type ItemError struct {
	Item string  // its key
	Slot SlotKey // which place it is of, as its key says; zero for an item that is not a slot
	Err  error
}

func (e *ItemError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *ItemError) Unwrap() error { return e.Err }

// An UnreadableError is the error of a read some of whose items can't be read. What
// can be read is returned beside it, and is all that there is but these items.
type UnreadableError struct {
	Items []*ItemError // in the order of their keys; at least one
}

func (e *UnreadableError) Error() string {
	const most = 5
	var texts []string
	for _, i := range e.Items[:min(len(e.Items), most)] {
		texts = append(texts, i.Error())
	}
	if more := len(e.Items) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return "the ledger has items that can't be read: " + strings.Join(texts, "; ")
}

// Unwrap gives the items' errors.
func (e *UnreadableError) Unwrap() []error {
	var all []error
	for _, i := range e.Items {
		all = append(all, i)
	}
	return all
}

// Unreadable are the items that a read couldn't read, when it has read all others.
// The second result is false for the error of a read that has failed as a whole.
func Unreadable(err error) ([]*ItemError, bool) {
	e, ok := errors.AsType[*UnreadableError](err)
	if !ok {
		return nil, err == nil
	}
	return e.Items, true
}
