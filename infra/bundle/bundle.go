// Package bundle makes the functions' zip. The same source gives the same bytes, so
// that anybody can build again what is deployed, and a deployment without a change
// uploads nothing.
package bundle

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Architectures maps Lambda's names of processors to Go's.
// https://docs.aws.amazon.com/lambda/latest/dg/foundation-arch.html
var Architectures = map[string]string{"arm64": "arm64", "x86_64": "amd64"}

// MaxZip is the most bytes that the zip may have: what Lambda loads at each cold start of
// a containment.
const MaxZip = 6_000_000

// flags are those of the compiler. The binary does without Lambda's former runtime, and
// without HTTP/2: each API that it calls answers HTTP/1.1. The SDK's code for a service and
// ours run a few times for each call. Without inlining they are no slower, and make the
// binary a megabyte smaller, which no cold start has to load. The readers of package
// cryptobyte are inlined all over TLS: 0.1 MB, and a handshake takes no longer without.
var flags = []string{
	"-trimpath", "-tags=lambda.norpc,nethttpomithttp2",
	"-gcflags=github.com/aws/aws-sdk-go-v2/service/...=-l", "-gcflags=tourniquet/...=-l",
	"-gcflags=vendor/golang.org/x/crypto/cryptobyte=-l",
}

// Zip builds the function from the module in dir for one of the Architectures.
func Zip(dir, architecture string) ([]byte, error) {
	goarch, ok := Architectures[architecture]
	if !ok {
		return nil, fmt.Errorf("building the function: invalid architecture %q", architecture)
	}
	tmp, err := os.MkdirTemp("", "tourniquet-")
	if err != nil {
		return nil, fmt.Errorf("building the function: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	out := filepath.Join(tmp, "bootstrap")
	// Leave out the build's id, the paths of files and the state of the repository:
	// they differ between checkouts of the same source.
	cmd := exec.Command("go", slices.Concat([]string{"build"}, flags, //nolint:gosec // only the temporary folder varies
		[]string{"-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", out, "./lambda"})...)
	cmd.Dir = dir
	cmd.Env = append(environment(), "GOOS=linux", "GOARCH="+goarch, "CGO_ENABLED=0")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("building the function: %w\n%s", err, said.Bytes())
	}
	binary, err := os.ReadFile(out) //nolint:gosec // our own file
	if err != nil {
		return nil, fmt.Errorf("building the function: %w", err)
	}
	return Pack(binary)
}

// environment is this process's, without the variables that change what Go builds.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "GOFLAGS", "GOWORK", "GOEXPERIMENT", "GOARM64", "GOAMD64", "GOFIPS140", "GODEBUG":
		default:
			env = append(env, kv)
		}
	}
	return append(env, "GOWORK=off")
}

// epoch is the time of the file in the zip: the earliest that a zip can hold.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Pack makes the zip of a binary. Lambda's Go runtimes start the file bootstrap.
// https://docs.aws.amazon.com/lambda/latest/dg/golang-package.html
func Pack(binary []byte) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: epoch}
	header.SetMode(0o755)
	w, err := z.CreateHeader(header)
	if err == nil {
		_, err = io.Copy(w, bytes.NewReader(binary))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("packing the function: %w", err)
	}
	return b.Bytes(), nil
}
