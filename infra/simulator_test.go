package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// requireTools skips a test where the development tools are not installed, except
// in CI.
func requireTools(t *testing.T) {
	t.Helper()
	requireNode(t)
	if _, err := os.Stat("_tools/node_modules/@cloud-copilot/iam-simulate"); err != nil {
		const what = "IAM's decisions are made by @cloud-copilot/iam-simulate: run make deploy-tools"
		if os.Getenv("CI") == "true" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
}

// A decision of the simulator.
type decision struct {
	Result string // Allowed, ImplicitlyDenied, ExplicitlyDenied
	Error  string
}

// actionReference is what the Service Authorization Reference has on an action:
// condition keys, its own and those of each type of resource.
type actionReference struct {
	Keys  []string
	Types map[string][]string
}

// runSimulator asks _tools/iam.mjs.
func runSimulator(t *testing.T, simulations []any, actions []string) ([]decision, map[string]actionReference) {
	t.Helper()
	requireTools(t)
	cmd := exec.CommandContext(t.Context(), "node", "iam.mjs")
	cmd.Dir = "_tools"
	in, err := json.Marshal(object{"simulations": simulations, "actions": actions})
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("iam.mjs: %v\n%s", err, &said)
	}
	var got struct {
		Decisions []decision
		Reference map[string]actionReference
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Decisions) != len(simulations) {
		t.Fatalf("iam.mjs: %d decisions on %d requests", len(got.Decisions), len(simulations))
	}
	return got.Decisions, got.Reference
}

// An access is one request to IAM: EC2 makes one for each resource of a call.
type access struct {
	as      string // contain or release, a function's role; or a service, such as events.amazonaws.com
	action  string
	on      string // ARN
	tags    tags   // that the resource has
	context object // of the request; aws:RequestedRegion is the stack's unless said
}

type tags map[string]string

// simulation is the access as the simulator reads it, in a stack.
func (a access) simulation(t *testing.T, tpl template) any {
	t.Helper()
	context := object{"aws:RequestedRegion": testRegion, "aws:SecureTransport": "true"}
	for k, v := range a.tags {
		context["aws:ResourceTag/"+k] = v
	}
	for k, v := range a.context {
		context[k] = v
	}
	request := object{
		"principal": a.as, "action": a.action, "contextVariables": context,
		// The account that is called: another one's resource, when this account
		// may use it, needs no policy of its own.
		"resource": object{"resource": a.on, "accountId": testAccount},
	}
	sim := object{"request": request, "serviceControlPolicies": []any{}, "resourceControlPolicies": []any{}, "identityPolicies": []any{}}
	if p := tpl.resourcePolicy(a.on); p != nil {
		sim["resourcePolicy"] = p
	}
	if !strings.Contains(a.as, ".") {
		_, fn := tpl.function(t, a.as)
		request["principal"] = tpl.resolve(fn["Role"])
		sim["identityPolicies"] = []any{object{"name": a.as, "policy": tpl.policy(t, a.as)}}
	}
	return sim
}

// resourcePolicy is what the template lets others do with a resource; nil: nothing.
func (tpl template) resourcePolicy(arn string) any {
	var statements []any
	for id, r := range tpl.Resources {
		switch r.Type {
		case "AWS::Lambda::Permission":
			p := tpl.resolve(r.Properties)
			if pick(p, "FunctionName") != arn {
				continue
			}
			statements = append(statements, object{
				"Effect": "Allow", "Principal": object{"Service": pick(p, "Principal")}, "Action": pick(p, "Action"), "Resource": arn,
				"Condition": object{"ArnLike": object{"AWS:SourceArn": pick(p, "SourceArn")}}, "Sid": id,
			})
		case "AWS::KMS::Key":
			if tpl.arn(id) == arn {
				return tpl.resolve(r.Properties["KeyPolicy"])
			}
		case "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy":
			for _, s := range tpl.resolve(pick(r.Properties, "PolicyDocument", "Statement")).([]any) {
				if pick(s, "Resource") == arn {
					statements = append(statements, s)
				}
			}
		}
	}
	if statements == nil {
		return nil
	}
	return object{"Version": "2012-10-17", "Statement": statements}
}

// decide is whether each access is allowed in a stack.
func decide(t *testing.T, tpl template, all []access) []bool {
	t.Helper()
	var simulations []any
	for _, a := range all {
		simulations = append(simulations, a.simulation(t, tpl))
	}
	decisions, _ := runSimulator(t, simulations, nil)
	var allowed []bool
	for i, d := range decisions {
		if d.Error != "" {
			t.Errorf("%s: %s on %s: %s", all[i].as, all[i].action, all[i].on, d.Error)
		}
		allowed = append(allowed, d.Result == "Allowed")
	}
	return allowed
}
