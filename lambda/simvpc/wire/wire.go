// Package wire is what the simulated services have in common: what a call is to
// them, how they refuse one, and the protocols in which AWS's SDKs speak to them.
package wire

import (
	"fmt"
	"net/url"
	"time"

	"tourniquet/lambda/simvpc/world"
)

// A Request is one call of an operation. Services are called one at a time, so
// that they need no locks.
type Request struct {
	ID     string // the request id
	Op     string
	Params url.Values   // as the query protocols send them
	Input  []byte       // as the JSON protocol sends it
	World  *world.World // what the operation sees and, if it is a mutating one, changes
	Now    time.Time    // on the simulated clock
}

// An Operation is one action of a service.
type Operation struct {
	Mutating bool
	Lagged   bool // it may see the world as it was some time ago
	Run      func(*Request) (any, error)
}

// A Service answers the calls of one AWS service.
type Service interface {
	// Protocol is how the service speaks.
	Protocol() *Protocol
	// Operation finds an operation by name.
	Operation(name string) (Operation, bool)
	// Pass lets time pass, up to now: what a service does by itself, it does here.
	// It is called before every call and every change, with the world as it was
	// since the last time, and reports whether it changed the world.
	Pass(w *world.World, now time.Time) bool
}

// An Error is a refusal, as AWS answers it.
type Error struct {
	Code, Message string
	Status        int // the HTTP status; 0 means 400
}

// Error is the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Fail is a refusal with a status of 400.
func Fail(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
