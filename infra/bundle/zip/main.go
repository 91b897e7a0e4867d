// Command zip writes the functions' zip to standard output, for those who deploy it
// without the CDK, or want to compare what is deployed with the source.
package main

import (
	"fmt"
	"os"

	"tourniquet/infra/bundle"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: zip ARCHITECTURE > FILE, at the module's root; ARCHITECTURE is arm64 or x86_64")
		os.Exit(2)
	}
	zip, err := bundle.Zip(".", os.Args[1])
	if err == nil {
		_, err = os.Stdout.Write(zip)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "zip: %v\n", err)
		os.Exit(1)
	}
}
