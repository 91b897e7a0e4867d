// Command tourniquet operates a deployed stack, rehearses containments on a simulated
// VPC, and serves that simulation to other AWS clients.
//
//	tourniquet list                      the open containments
//	tourniquet show i-…                  one of them
//	tourniquet contain i-… --reason …    and release, plan, report, admit, reconcile, watch, expire
//	tourniquet drill                     the built-in compromise
//	tourniquet drill finding.json        a finding of your own
//	tourniquet drill --naive             what a swap of the groups alone leaves
//	tourniquet simulate world.txt        a simulated EC2 for the AWS CLI or an SDK
//
// Exit status: 0 done as asked; 1 done in part, or in a drill a peer's flow still
// passes; 2 wrong use, bad input, or refused; 3 no credentials, no such stack, AWS or a
// function that can't be reached.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"tourniquet/lambda/drill"
	"tourniquet/lambda/tourniquet/completion"
	"tourniquet/lambda/tourniquet/console"
	"tourniquet/lambda/tourniquet/operate"
	"tourniquet/lambda/version"
)

const (
	exitOpen  = 1 // a peer's flow still passes
	exitUsage = 2
)

type cli struct {
	operate.Commands

	Drill      drill.Command    `cmd:"" group:"rehearse" help:"Rehearse a containment on a simulated VPC, with the real responder and the real AWS SDK."`
	Simulate   simulateCmd      `cmd:"" group:"rehearse" help:"Serve a simulated VPC to any AWS client, until interrupted."`
	Completion completion.Cmd   `cmd:"" help:"Print the script by which a shell completes this command."`
	Version    kong.VersionFlag `help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(runOn(ctx, os.Args[1:], console.New(os.Stdin, os.Stdout, os.Stderr, os.Environ())))
}

// run is the command without the process around it: nobody answers its questions.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return runOn(ctx, args, console.New(strings.NewReader(""), stdout, stderr, nil))
}

// runOn is the command on a console.
func runOn(ctx context.Context, args []string, c *console.Console) int {
	code := -1
	parser, err := kong.New(&cli{}, kong.Name("tourniquet"),
		kong.Description("Contains compromised EC2 instances through a deployed stack, and rehearses it without one."),
		kong.ExplicitGroups([]kong.Group{
			{Key: "stack", Title: "On a deployed stack"}, {Key: "rehearse", Title: "Without an AWS account"},
		}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Vars{"version": "tourniquet " + version.String()},
		kong.Writers(c.Out, c.Err), kong.Exit(func(n int) { code = n }), kong.Bind(c),
		kong.Bind(terminal(c)),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.BindTo(c.Out, (*io.Writer)(nil)))
	if err != nil {
		fmt.Fprintln(c.Err, err)
		return exitUsage
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if code >= 0 {
		return code // --help, --version
	}
	if err == nil {
		err = command.Run()
	}
	return exit(c, slices.Contains(args, "--json"), err)
}

// terminal is where a drill is shown live.
func terminal(c *console.Console) drill.Terminal {
	out, colours := c.Terminal()
	return drill.Terminal{Out: out, Colours: colours}
}

// exit says what went wrong, also as the one JSON document where one is asked for, and
// is the exit status.
func exit(c *console.Console, asJSON bool, err error) int {
	if err == nil {
		return operate.ExitDone
	}
	if f, ok := errors.AsType[*operate.Failure](err); ok && asJSON {
		err = errors.Join(err, operate.PrintFailure(c, f))
	}
	fmt.Fprintln(c.Err, console.Bad.Render("tourniquet:"), err)
	if errors.Is(err, drill.ErrStillOpen) {
		return exitOpen
	}
	return operate.ExitCode(err)
}
