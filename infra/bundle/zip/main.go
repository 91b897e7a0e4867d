// Command zip writes the functions' zip to a file, for those who deploy it without
// the CDK, or want to compare what is deployed with the source.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"

	"tourniquet/infra/bundle"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: zip ARCHITECTURE FILE, at the module's root; ARCHITECTURE is arm64 or x86_64")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "zip: %v\n", err)
		os.Exit(1)
	}
}

func run(architecture, file string) error {
	zip, err := bundle.Zip(".", architecture)
	if err != nil {
		return err
	}
	fmt.Printf("%x  %s\n", sha256.Sum256(zip), file)
	return os.WriteFile(file, zip, 0o600)
}
