package operate

import (
	"context"
	"fmt"
	"io"
	"os"

	"tourniquet/lambda/report"
	"tourniquet/lambda/tourniquet/console"
)

// ReportCmd writes one containment as an HTML file.
type ReportCmd struct {
	Flags
	Target
	Generation int    `help:"An earlier containment of the instance: 1 is its first. The latest when left out." placeholder:"N"`
	Output     string `name:"output" short:"o" help:"File to write, or - for standard output. tourniquet-INSTANCE-GENERATION.html when left out." placeholder:"FILE"`
}

// Run writes the report; with --json the data that it is made of.
func (cmd *ReportCmd) Run(ctx context.Context, c *console.Console) error {
	s, st, err := ready(ctx, c, cmd.Flags)
	if err != nil {
		return err
	}
	d, err := s.document(ctx, st, cmd.Instance, cmd.Generation)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error { return report.Write(w, d) }
	if cmd.JSON {
		write = func(w io.Writer) error { return printJSON(w, d) }
		if cmd.Output == "" {
			cmd.Output = "-"
		}
	}
	if cmd.Output == "-" {
		return write(c.Out)
	}
	name := cmd.Output
	if name == "" {
		name = fmt.Sprintf("tourniquet-%s-%d.html", d.Incident.Instance, d.Incident.Generation)
	}
	return writeFile(c, name, write)
}

// writeFile writes a file that only its owner may read: a report names what is open.
func writeFile(c *console.Console, name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return refused("%v", "", err)
	}
	err = write(f)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	fmt.Fprintf(c.Err, "wrote %s\n", name)
	return nil
}
