package ssm

import (
	"slices"
	"time"

	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// What is kept of an output, in characters
// (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html).
const (
	mostStdout = 24_000
	mostStderr = 8_000
	mostListed = 2_500
)

// The steps of a document for two platforms: the one that isn't the instance's is
// skipped, and looks like a success that printed nothing.
const (
	linuxStep   = "linux"
	windowsStep = "windows"
)

// status is how far a command has come: Status and StatusDetails
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html).
func (c *command) status(now time.Time) (status, details string) {
	switch {
	case c.delivered.IsZero() && now.After(c.expires):
		return "TimedOut", "DeliveryTimedOut"
	case c.delivered.IsZero():
		return "Pending", "Pending"
	case c.output.Silent && now.After(c.delivered.Add(runTime)):
		return "TimedOut", "ExecutionTimedOut"
	case c.output.Silent, now.Before(c.ends):
		return "InProgress", "InProgress"
	case c.output.Code != 0:
		return "Failed", "Failed"
	default:
		return "Success", "Success"
	}
}

// find is the command on an instance, unless it is too young to be known.
func (s *Service) find(id, instance string, now time.Time) *command {
	i := slices.IndexFunc(s.commands, func(c *command) bool { return c.id == id && c.instance == instance })
	if i < 0 || !s.commands[i].shown(now) {
		return nil
	}
	return s.commands[i]
}

// shown reports whether a command can be seen already, and counts the attempt.
func (c *command) shown(now time.Time) bool {
	if c.lag.Over(now) {
		return true
	}
	c.lag.Missed()
	return false
}

type getInput struct {
	Command  string `json:"CommandId"`
	Instance string `json:"InstanceId"`
	Plugin   string `json:"PluginName"`
}

func (s *Service) get(r *wire.Request) (any, error) {
	in, err := wire.Decode[getInput](r)
	if err != nil {
		return nil, err
	}
	c := s.find(in.Command, in.Instance, r.Now)
	if c == nil {
		return nil, wire.Fail("InvocationDoesNotExist", "the command %s on %s is not known", in.Command, in.Instance)
	}
	if in.Plugin != linuxStep && in.Plugin != windowsStep {
		return nil, wire.Fail("InvalidPluginName", "%q is not a step of %s: want %s or %s", in.Plugin, c.document, linuxStep, windowsStep)
	}
	out := c.describe(r.World, in.Plugin, r.Now)
	out["CommandId"], out["InstanceId"], out["DocumentName"], out["DocumentVersion"] = c.id, c.instance, c.document, "$DEFAULT"
	out["PluginName"], out["Comment"] = in.Plugin, c.comment
	return out, nil
}

// describe is how a step of a command went.
func (c *command) describe(w *world.World, step string, now time.Time) map[string]any {
	status, details := c.status(now)
	out := map[string]any{
		"Status": status, "StatusDetails": details, "ResponseCode": -1, "StandardOutputContent": "", "StandardErrorContent": "",
	}
	if status != "Success" && status != "Failed" {
		return out
	}
	own := linuxStep
	if i := w.Instance(c.instance); i != nil && i.Windows {
		own = windowsStep
	}
	if step != own {
		out["Status"], out["StatusDetails"], out["ResponseCode"] = "Success", "Success", 0
		return out
	}
	out["ResponseCode"] = c.output.Code
	out["StandardOutputContent"], out["StandardErrorContent"] = first(c.output.Stdout, mostStdout), first(c.output.Stderr, mostStderr)
	return out
}

// first is the beginning of a text, in characters.
func first(s string, n int) string {
	runes := []rune(s)
	return string(runes[:min(n, len(runes))])
}

type listInput struct {
	Command  string `json:"CommandId"`
	Instance string `json:"InstanceId"`
	Details  bool   `json:"Details"`
	Filters  []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"Filters"`
	Max   *int   `json:"MaxResults"`
	Token string `json:"NextToken"`
}

func (s *Service) list(r *wire.Request) (any, error) {
	in, err := wire.Decode[listInput](r)
	if err != nil {
		return nil, err
	}
	if len(in.Filters) > 0 {
		return nil, wire.Fail("InvalidFilterKey", "simvpc has no filter %s", in.Filters[0].Key)
	}
	found := []map[string]any{}
	for _, c := range s.commands {
		if in.Command != "" && c.id != in.Command || in.Instance != "" && c.instance != in.Instance || !c.shown(r.Now) {
			continue
		}
		status, details := c.status(r.Now)
		one := map[string]any{
			"CommandId": c.id, "InstanceId": c.instance, "DocumentName": c.document, "Comment": c.comment,
			"Status": status, "StatusDetails": details, "RequestedDateTime": seconds(c.sent), "CommandPlugins": []any{},
		}
		if in.Details {
			one["CommandPlugins"] = c.plugins(r)
		}
		found = append(found, one)
	}
	return map[string]any{"CommandInvocations": found}, nil
}

// plugins are the steps of a command.
func (c *command) plugins(r *wire.Request) []map[string]any {
	var all []map[string]any
	for _, step := range []string{linuxStep, windowsStep} {
		d := c.describe(r.World, step, r.Now)
		all = append(all, map[string]any{
			"Name": step, "Status": d["Status"], "StatusDetails": d["StatusDetails"], "ResponseCode": d["ResponseCode"],
			"Output": first(d["StandardOutputContent"].(string), mostListed), //nolint:errcheck,forcetypeassert // a string always
		})
	}
	return all
}

type describeInput struct {
	Filters []struct {
		Key    string   `json:"Key"`
		Values []string `json:"Values"`
	} `json:"Filters"`
	Max   *int   `json:"MaxResults"`
	Token string `json:"NextToken"`
}

// describe lists the managed instances that are not stopped. PingStatus is stale: it
// says Online of one that can't be reached any more.
func (s *Service) describe(r *wire.Request) (any, error) {
	in, err := wire.Decode[describeInput](r)
	if err != nil {
		return nil, err
	}
	var wanted []string
	for _, f := range in.Filters {
		if f.Key != "InstanceIds" {
			return nil, wire.Fail("InvalidFilterKey", "simvpc has no filter %s", f.Key)
		}
		wanted = append(wanted, f.Values...)
	}
	found := []map[string]any{}
	for _, i := range r.World.Instances {
		if !i.Managed || i.State != "running" || len(wanted) > 0 && !slices.Contains(wanted, i.ID) {
			continue
		}
		platform := "Linux"
		if i.Windows {
			platform = "Windows"
		}
		found = append(found, map[string]any{
			"InstanceId": i.ID, "PingStatus": "Online", "PlatformType": platform, "AgentVersion": "3.3.2746.0", "ResourceType": "EC2Instance",
		})
	}
	return map[string]any{"InstanceInformationList": found}, nil
}
