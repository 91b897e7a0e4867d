package bundle

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPack(t *testing.T) {
	a, err := Pack([]byte("binary"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Pack([]byte("binary"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("two zips of the same binary differ")
	}
	z, err := zip.NewReader(bytes.NewReader(a), int64(len(a)))
	if err != nil {
		t.Fatal(err)
	}
	f := z.File[0]
	if len(z.File) != 1 || f.Name != "bootstrap" || f.Mode() != 0o755 || !f.Modified.Equal(epoch) {
		t.Errorf("got %d files, the first %s %v %v", len(z.File), f.Name, f.Mode(), f.Modified)
	}
}

// What the benchmarks measure is built by the Makefile, and is to be what is deployed.
func TestMakefileHasTheFlags(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "\nFLAGS := " + strings.Join(flags, " ") + "\n"; !strings.Contains(string(makefile), want) {
		t.Errorf("the Makefile lacks the line %q", want)
	}
}

func TestZipUnknownArchitecture(t *testing.T) {
	if _, err := Zip(".", "riscv"); err == nil {
		t.Error("built for riscv, which Lambda has not")
	}
}
