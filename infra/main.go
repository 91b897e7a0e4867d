// Command infra is the CDK app that deploys Tourniquet: two functions of one
// binary, the rules that send findings to the first, the ledger, and the alarms.
//
// The names that functions and stack share come from the functions' packages:
// settings and environment variables from config, key attributes from ledger, IAM
// actions from vpc and ledger, event sources and finding types from guardduty. Start
// reading at NewStack; each other file adds one thing to the stack.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/infra/bundle"
)

func main() {
	code := 0
	withRuntime(func() {
		work := run
		if len(os.Args) > 1 { // the CDK's command line gives no argument
			work = func() error { return organize(os.Args[1:]) }
		}
		if err := work(); err != nil {
			fmt.Fprintf(os.Stderr, "tourniquet: %v\n", err)
			code = 1
		}
	})
	os.Exit(code)
}

func run() error {
	app := awscdk.NewApp(nil)
	settings, err := readSettings(contextOf(app))
	if err != nil {
		return fmt.Errorf("cdk.json's context, or -c:\n%w", err)
	}
	dir, err := os.MkdirTemp("", "tourniquet-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	zip := filepath.Join(dir, "function.zip")
	if err := writeZip(zip, string(settings.Architecture), bundling(app)); err != nil {
		return err
	}
	addStacks(app, Props{Account: os.Getenv("CDK_DEFAULT_ACCOUNT"), Settings: settings, Zip: zip})
	app.Synth(nil)
	return nil
}

// addStacks adds a stack for each Region.
func addStacks(app awscdk.App, p Props) []awscdk.Stack {
	if len(p.Settings.Regions) == 0 {
		p.Region = os.Getenv("CDK_DEFAULT_REGION")
		return []awscdk.Stack{NewStack(app, "Tourniquet", p)}
	}
	var stacks []awscdk.Stack
	for _, r := range p.Settings.Regions {
		p.Region = r
		stacks = append(stacks, NewStack(app, "Tourniquet-"+r, p))
	}
	return stacks
}

func contextOf(app awscdk.App) map[string]any {
	all, _ := app.Node().GetAllContext(nil).(map[string]any)
	return all
}

// bundling reports whether this synthesis needs the function. Listing and destroying
// don't: the CLI then gives an empty list of stacks to bundle.
func bundling(app awscdk.App) bool {
	stacks, set := app.Node().TryGetContext(jsii.String("aws:cdk:bundling-stacks")).([]any)
	return !set || len(stacks) > 0
}

// writeZip builds and packs the function, or packs a text in its place.
func writeZip(path, architecture string, build bool) error {
	zip, err := bundle.Pack([]byte("not built"))
	if build {
		zip, err = bundle.Zip(".", architecture)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(path, zip, 0o600)
}
