// Command tourniquet rehearses containments on a simulated VPC, and serves that
// simulation to other AWS clients.
//
//	tourniquet drill                     the built-in compromise
//	tourniquet drill finding.json        a finding of your own
//	tourniquet drill --naive             what a swap of the groups alone leaves
//	tourniquet simulate world.txt        a simulated EC2 for the AWS CLI or an SDK
//
// Exit status: 0 done; 1 a peer's flow still passes; 2 wrong use or bad input.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/alecthomas/kong"

	"tourniquet/lambda/drill"
)

const (
	exitOpen  = 1 // a peer's flow still passes
	exitUsage = 2
)

type cli struct {
	Drill    drill.Command `cmd:"" help:"Rehearse a containment on a simulated VPC, with the real responder and the real AWS SDK."`
	Simulate simulateCmd   `cmd:"" help:"Serve a simulated VPC to any AWS client, until interrupted."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	code := -1
	parser, err := kong.New(&cli{}, kong.Name("tourniquet"),
		kong.Description("Rehearses the containment of compromised EC2 instances."),
		kong.Writers(stdout, stderr), kong.Exit(func(c int) { code = c }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.BindTo(stdout, (*io.Writer)(nil)))
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if code >= 0 {
		return code // --help
	}
	if err == nil {
		err = command.Run()
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, drill.ErrStillOpen):
		fmt.Fprintln(stderr, "tourniquet:", err)
		return exitOpen
	default:
		fmt.Fprintln(stderr, "tourniquet:", err)
		return exitUsage
	}
}
