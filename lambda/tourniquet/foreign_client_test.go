//go:build integration

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/drill"
	"tourniquet/lambda/emulator"
)

// The simulated VPC is as good as what a client sees of it that was written by
// others, for EC2.
func TestSimulateForBoto3(t *testing.T) {
	world := filepath.Join(t.TempDir(), "world.txt")
	write(t, world, drill.BuiltinWorld+`
vpc vpc-2 10.1.0.0/16
group sg-elsewhere vpc-2
interface eni-lb - subnet-front 10.0.1.200 groups sg-web managed amazon-elb type network_load_balancer
`)
	url, stop := simulate(t, world)
	transcript := emulator.Python(t, "testdata/foreign_client.py", url)
	got := transcript + "\n" + stop()
	const file = "testdata/foreign_client.txt"
	if *update {
		write(t, file, got)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("what boto3 got, and the world after (-want +got):\n%s", d)
	}
}

// simulate runs the command until stop is called, which returns the world that it
// prints in the end.
func simulate(t *testing.T, world ...string) (url string, stop func() string) {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	t.Cleanup(interrupt)
	out, in := io.Pipe()
	var errs bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"simulate", "--listen", "127.0.0.1:0"}, world...), in, &errs)
		_ = in.Close()
	}()
	lines := bufio.NewReader(out)
	url, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	return strings.TrimSpace(url), func() string {
		t.Helper()
		interrupt()
		after, err := io.ReadAll(lines)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case code := <-ended:
			if code != 0 {
				t.Errorf("exit status %d: %s", code, errs.String())
			}
		case <-time.After(time.Minute):
			t.Fatal("the command doesn't end")
		}
		return string(after)
	}
}

// A client that nobody here wrote builds its own world from nothing, and leaves
// nothing but its terminated instance.
func TestSimulateFromNothing(t *testing.T) {
	url, stop := simulate(t)
	transcript := emulator.Python(t, "testdata/from_nothing.py", url)
	want := `VPCs at first: 0
interfaces: [(0, '198.18.0.1'), (1, '198.18.0.2')]
routes: [('10.0.0.0/16', 'active'), ('0.0.0.0/0', 'active')]
VPCs in the end: 0
`
	if d := cmp.Diff(want, transcript); d != "" {
		t.Error(d)
	}
	if after := stop(); !strings.HasPrefix(after, "account 111122223333\nregion eu-central-1\ninstance i-") || strings.Count(after, "\n") != 3 {
		t.Errorf("left:\n%s", after)
	}
}

// rulesOfEC2 runs the checks of EC2's network rules against an endpoint.
func rulesOfEC2(t *testing.T, url string) (wrong []string, passed, all int) {
	t.Helper()
	for line := range strings.Lines(emulator.Python(t, "testdata/ec2_rules.py", url)) {
		line = strings.TrimSpace(line)
		if n, err := fmt.Sscanf(line, "%d of %d", &passed, &all); n == 2 && err == nil {
			continue
		}
		if !strings.HasPrefix(line, "ok ") {
			wrong = append(wrong, line)
		}
	}
	return wrong, passed, all
}

// EC2's network rules, as AWS documents them, hold for a client that nobody here wrote.
func TestSimulateKeepsTheRulesOfEC2(t *testing.T) {
	url, _ := simulate(t)
	wrong, passed, all := rulesOfEC2(t, url)
	for _, line := range wrong {
		t.Error(line)
	}
	if passed != all || all < 100 {
		t.Errorf("%d of %d checks pass, want all of at least 100", passed, all)
	}
}

// The checks can fail: an emulator whose network accepts more than EC2's passes fewer.
func TestTheRulesOfEC2TellServersApart(t *testing.T) {
	wrong, passed, all := rulesOfEC2(t, emulator.Moto(t))
	if all < 100 || passed == all || passed == 0 || len(wrong) == 0 {
		t.Errorf("%d of %d checks pass on moto", passed, all)
	}
	t.Logf("moto passes %d of %d", passed, all)
}
