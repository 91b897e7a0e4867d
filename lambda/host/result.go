package host

// A Result is what a host says of itself.
type Result struct {
	Rules string
	Closed, Left int
	Truncated bool
	Error string
	Connections []string
}

// ParseResult reads an output.
func ParseResult(output string) Result { return Result{} }
