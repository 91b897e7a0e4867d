package simvpc_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/ssm"
	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// A managed host with a reverse shell, over TCP and UDP, and its agent.
const hosts = `
vpc vpc-1 10.0.0.0/16
subnet subnet-1 vpc-1 10.0.1.0/24
group sg-web vpc-1
  in tcp 22 10.0.0.0/8
  out all 0.0.0.0/0
group sg-quarantine vpc-1
instance i-web ssm
instance i-windows ssm windows
instance i-alone
instance i-off ssm state stopped
interface eni-web i-web subnet-1 10.0.1.10 groups sg-web
interface eni-windows i-windows subnet-1 10.0.1.20 groups sg-web
flow tcp 10.0.1.10:44321 -> 198.51.100.7:443
flow udp 10.0.1.10:44322 -> 198.51.100.7:53
flow tcp 10.0.1.10:40001 -> 192.0.2.20:443 agent
`

func ssmClient(s *simvpc.Server) *sdk.Client {
	return sdk.New(sdk.Options{
		BaseEndpoint: aws.String(s.URL), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""), RetryMaxAttempts: 1,
	})
}

func startHosts(t testing.TB, opts simvpc.Options) (*simvpc.Server, *sdk.Client) {
	t.Helper()
	s, _ := start(t, hosts, opts)
	return s, ssmClient(s)
}

func send(t testing.TB, c *sdk.Client, document string, instances ...string) (string, error) {
	t.Helper()
	out, err := c.SendCommand(t.Context(), &sdk.SendCommandInput{
		DocumentName: aws.String(document), InstanceIds: instances, TimeoutSeconds: aws.Int32(120),
	})
	if err != nil {
		return "", err
	}
	return *out.Command.CommandId, nil
}

// fetch asks for the result of a step on i-web.
func fetch(t testing.TB, c *sdk.Client, command, step string) (*sdk.GetCommandInvocationOutput, error) {
	t.Helper()
	return c.GetCommandInvocation(t.Context(), &sdk.GetCommandInvocationInput{
		CommandId: aws.String(command), InstanceId: aws.String("i-web"), PluginName: aws.String(step),
	})
}

// passing says which of the host's flows pass, by their remote ports.
func passing(w *world.World, flows ...string) string {
	var ports []string
	for _, text := range flows {
		f, err := world.ParseFlow(text)
		if err != nil {
			panic(err)
		}
		if oracle.Passes(w, f).Passes {
			ports = append(ports, text[strings.LastIndexByte(text, ':')+1:])
		}
	}
	return strings.Join(ports, " ")
}

const (
	shell  = "tcp 10.0.1.10:44321 -> 198.51.100.7:443"
	tunnel = "udp 10.0.1.10:44322 -> 198.51.100.7:53"
	agent  = "tcp 10.0.1.10:40001 -> 192.0.2.20:443"
	fresh  = "tcp 10.0.1.10:45000 -> 203.0.113.9:80"
	meta   = "tcp 10.0.1.10:45001 -> 169.254.169.254:80"
)

func TestIsolateOnTheHost(t *testing.T) {
	t.Parallel()
	s, c := startHosts(t, simvpc.Options{})
	all := []string{shell, tunnel, agent, fresh, meta}
	if got := passing(s.World(), all...); got != "443 53 443 80 80" {
		t.Fatalf("before: %s", got)
	}
	command, err := send(t, c, "tourniquet-isolate", "i-web")
	permit(t, err)
	if got := passing(s.World(), all...); got != "443 80" {
		t.Errorf("isolated: %s pass, want the agent's 443 and the metadata's 80", got)
	}
	out, err := fetch(t, c, command, "linux")
	permit(t, err)
	lines := strings.Split(strings.TrimSpace(*out.StandardOutputContent), "\n")
	var last struct {
		Rules  string
		Closed int
	}
	permit(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
	if out.Status != types.CommandInvocationStatusSuccess || last.Rules != "nft" || last.Closed != 1 || !strings.Contains(lines[0], "198.51.100.7:443") {
		t.Errorf("%s: %q", out.Status, lines)
	}
	if out, err := fetch(t, c, command, "windows"); err != nil || out.Status != "Success" || *out.StandardOutputContent != "" {
		t.Errorf("the step of the other platform: %+v, %v", out, err)
	}
	command, err = send(t, c, "arn:aws:ssm:eu-central-1:111122223333:document/tourniquet-restore", "i-web")
	permit(t, err)
	if got := passing(s.World(), fresh); got != "80" {
		t.Errorf("restored: new connections %q, want 80", got)
	}
	if out, err = fetch(t, c, command, "linux"); err != nil || !strings.Contains(*out.StandardOutputContent, `"rules":"none"`) {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestARestartClearsTheHostsRules(t *testing.T) {
	t.Parallel()
	s, c := startHosts(t, simvpc.Options{})
	_, err := send(t, c, "tourniquet-isolate", "i-web")
	permit(t, err)
	permit(t, reboot("i-web")(t.Context(), client(s, 1)))
	if got := passing(s.World(), fresh); got != "80" {
		t.Errorf("after a reboot: %q, want 80", got)
	}
}

func TestSendRefusals(t *testing.T) {
	t.Parallel()
	s, c := startHosts(t, simvpc.Options{})
	before := s.World()
	for name, test := range map[string]struct {
		document  string
		instances []string
		want      string
	}{
		"not managed":    {"tourniquet-isolate", []string{"i-alone"}, "InvalidInstanceId"},
		"nobody":         {"tourniquet-isolate", []string{"i-9"}, "InvalidInstanceId"},
		"one of two":     {"tourniquet-isolate", []string{"i-web", "i-alone"}, "InvalidInstanceId"},
		"twice":          {"tourniquet-isolate", []string{"i-web", "i-web"}, "DuplicateInstanceId"},
		"other document": {"AWS-RunShellScript", []string{"i-web"}, "InvalidDocument"},
		"no instance":    {"tourniquet-isolate", nil, "ValidationException"},
	} {
		if _, err := send(t, c, test.document, test.instances...); code(err) != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	unchanged(t, before, s)
	if _, err := fetch(t, c, "00000000-0000-4000-8000-000000000001", "linux"); code(err) != "InvocationDoesNotExist" {
		t.Errorf("no such command: %v", err)
	}
}

// A new command is unknown for a while, and runs for a while.
func TestResultsComeLater(t *testing.T) {
	t.Parallel()
	s, c := startHosts(t, simvpc.Options{SSM: ssm.Options{Lag: wire.Lag{Reads: 1}, Host: func(ssm.Run) ssm.Output {
		return ssm.Output{Stdout: strings.Repeat("é", 30_000), Stderr: strings.Repeat("e", 9_000), Code: 1, Takes: 10 * time.Second}
	}}})
	command, err := send(t, c, "tourniquet-isolate", "i-web")
	permit(t, err)
	if _, err := fetch(t, c, command, "linux"); code(err) != "InvocationDoesNotExist" {
		t.Errorf("at once: %v", err)
	}
	out, err := fetch(t, c, command, "linux")
	permit(t, err)
	if out.Status != types.CommandInvocationStatusInProgress || *out.StandardOutputContent != "" || out.ResponseCode != -1 {
		t.Errorf("while it runs: %+v", out)
	}
	if _, err := fetch(t, c, command, "install"); code(err) != "InvalidPluginName" {
		t.Errorf("no such step: %v", err)
	}
	s.Advance(10 * time.Second)
	out, err = fetch(t, c, command, "linux")
	permit(t, err)
	if out.Status != types.CommandInvocationStatusFailed || out.ResponseCode != 1 ||
		len([]rune(*out.StandardOutputContent)) != 24_000 || len(*out.StandardErrorContent) != 8_000 {
		t.Errorf("in the end: %s %d, %d and %d characters", out.Status, out.ResponseCode, len([]rune(*out.StandardOutputContent)), len(*out.StandardErrorContent))
	}
	if s.World().Instance("i-web").Isolated {
		t.Error("a script that failed isolated the host")
	}
	list, err := c.ListCommandInvocations(t.Context(), &sdk.ListCommandInvocationsInput{CommandId: aws.String(command), Details: true})
	permit(t, err)
	if len(list.CommandInvocations) != 1 || len(list.CommandInvocations[0].CommandPlugins) != 2 || list.CommandInvocations[0].Status != types.CommandInvocationStatusFailed {
		t.Errorf("listed: %+v", list.CommandInvocations)
	}
}

// The quarantine stops the agent from coming back, but not the connection it has: a
// command that can't be delivered waits, and in the end never runs.
func TestDeliveryNeedsTheAgentsConnection(t *testing.T) {
	t.Parallel()
	s, c := startHosts(t, simvpc.Options{})
	ec2Client := client(s, 1)
	permit(t, swap("eni-web", "sg-quarantine")(t.Context(), ec2Client))
	_, err := send(t, c, "tourniquet-isolate", "i-web")
	permit(t, err)
	if !s.World().Instance("i-web").Isolated {
		t.Error("the tracked connection of the agent didn't deliver")
	}
	s.Edit(func(w *world.World) {
		w.Instance("i-web").Isolated = false
		for _, f := range w.Flows {
			f.Tracked = nil // it broke
		}
	})
	command, err := send(t, c, "tourniquet-restore", "i-web")
	permit(t, err)
	out, err := fetch(t, c, command, "linux")
	if err != nil || out.Status != types.CommandInvocationStatusPending {
		t.Errorf("without a connection: %+v, %v", out, err)
	}
	s.Advance(time.Minute)
	permit(t, swap("eni-web", "sg-web")(t.Context(), ec2Client))
	if out, err = fetch(t, c, command, "linux"); err != nil || out.Status != types.CommandInvocationStatusSuccess {
		t.Errorf("once the groups are back: %+v, %v", out, err)
	}
	permit(t, swap("eni-web", "sg-quarantine")(t.Context(), ec2Client))
	s.Edit(func(w *world.World) {
		for _, f := range w.Flows {
			f.Tracked = nil
		}
	})
	command, err = send(t, c, "tourniquet-isolate", "i-web")
	permit(t, err)
	s.Advance(3 * time.Minute)
	permit(t, swap("eni-web", "sg-web")(t.Context(), ec2Client))
	if out, err = fetch(t, c, command, "linux"); err != nil || out.Status != types.CommandInvocationStatusTimedOut || *out.StatusDetails != "DeliveryTimedOut" {
		t.Errorf("after the delivery time: %+v, %v", out, err)
	}
	if s.World().Instance("i-web").Isolated {
		t.Error("a command ran after its delivery time")
	}
}

// What a host prints is its own word: it can claim what it hasn't done.
func TestAForgedResult(t *testing.T) {
	t.Parallel()
	s, c := startHosts(t, simvpc.Options{})
	s.SetHost(func(r ssm.Run) ssm.Output {
		o := ssm.Honest(r)
		o.Forged = true
		return o
	})
	command, err := send(t, c, "tourniquet-isolate", "i-web")
	permit(t, err)
	out, err := fetch(t, c, command, "linux")
	permit(t, err)
	if !strings.Contains(*out.StandardOutputContent, `"left":0`) || passing(s.World(), shell) != "443" {
		t.Errorf("%q, and the shell passes: %q", *out.StandardOutputContent, passing(s.World(), shell))
	}
}

// Faults, the log and the clock are those of the server, for every service.
func TestFaultsOfSystemsManager(t *testing.T) {
	t.Parallel()
	s, c := startHosts(t, simvpc.Options{})
	s.Inject(simvpc.Fault{Op: "SendCommand", Kind: simvpc.Throttle}, simvpc.Fault{Op: "SendCommand", Nth: 2, Kind: simvpc.Internal},
		simvpc.Fault{Op: "SendCommand", Nth: 3, Kind: simvpc.LostAfter})
	var codes []string
	for range 4 {
		_, err := send(t, c, "tourniquet-isolate", "i-web")
		codes = append(codes, code(err))
		if len(codes) == 2 && s.World().Instance("i-web").Isolated {
			t.Error("a refused command ran")
		}
	}
	if codes[0] != "ThrottlingException" || codes[1] != "InternalServerError" || codes[2] == "" || codes[3] != "" {
		t.Errorf("codes %q", codes)
	}
	if !s.World().Instance("i-web").Isolated {
		t.Error("the command whose answer was lost didn't run")
	}
	calls := s.Mutations()
	if len(calls) != 4 || calls[3].Op != "SendCommand" || calls[3].Params.Get("InstanceIds.1") != "i-web" || calls[2].Code != simvpc.ConnectionLost {
		t.Errorf("log: %+v", calls)
	}
}

func TestManagedInstances(t *testing.T) {
	t.Parallel()
	_, c := startHosts(t, simvpc.Options{})
	out, err := c.DescribeInstanceInformation(t.Context(), &sdk.DescribeInstanceInformationInput{
		Filters: []types.InstanceInformationStringFilter{{Key: aws.String("InstanceIds"), Values: []string{"i-windows", "i-alone", "i-off"}}},
	})
	permit(t, err)
	if len(out.InstanceInformationList) != 1 || out.InstanceInformationList[0].PlatformType != types.PlatformTypeWindows {
		t.Errorf("%+v", out.InstanceInformationList)
	}
}
