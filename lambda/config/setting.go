package config

import "slices"

// Prefix begins each key in cdk.json's context.
const Prefix = "tourniquet:"

// A Function is one of the two that the binary serves, by the name of its handler.
type Function string

// The functions.
const (
	Contain Function = "contain"
	Release Function = "release"
)

// Name is the function's name in Lambda.
func (f Function) Name() string { return "tourniquet-" + string(f) }

// Who reads a variable.
var (
	both        = []Function{Contain, Release}
	onlyContain = []Function{Contain}
	onlyRelease = []Function{Release}
)

// Reads reports whether a function reads a variable.
func (f Function) Reads(variable string) bool {
	return slices.ContainsFunc(All, func(row Setting) bool { return row.Variable == variable && slices.Contains(row.For, f) })
}

// A Setting is one row of the table.
type Setting struct {
	Key      string     // in the context, without Prefix; empty: the stack sets the variable itself
	Variable string     // in the environment; empty: only the stack reads the setting
	For      []Function // which functions read the variable
	Default  string     // as an operator would write it; empty: the field keeps its zero value
	Unset    string     // what the documentation says in place of a default
	Meaning  string     // for the documentation
	Required bool       // no function starts without it
	Empty    bool       // the empty text is a value too
	// Off is the value that turns the setting off. Every other value needs the
	// variables Needs: without them the default means off, and any other value is an
	// error.
	Off   string
	Needs []string
	// Rung is what there is to say of a setting that turns a measure on beyond quarantine
	// and denials; nil for any other.
	Rung *Rung
	value
}

// A Rung is a measure beyond quarantine and denials, for the documentation.
type Rung struct {
	Does  string // what it does to a contained instance
	Undo  string // what a release does
	Fails string // what may keep it from working, and what is said then
}

// A value is the field that a setting goes to, and how its text is read.
type value struct {
	field func(*Settings) any // a pointer to the field
	set   func(*Settings, string) error
}

// in is the value of a field, which parse makes of the setting's text.
func in[T any](field func(*Settings) *T, parse func(string) (T, error)) value {
	return value{
		field: func(s *Settings) any { return field(s) },
		set: func(s *Settings, text string) error {
			v, err := parse(text)
			if err == nil {
				*field(s) = v
			}
			return err
		},
	}
}
