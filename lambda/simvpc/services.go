package simvpc

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tourniquet/lambda/simvpc/autoscaling"
	"tourniquet/lambda/simvpc/ec2"
	"tourniquet/lambda/simvpc/logs"
	"tourniquet/lambda/simvpc/ssm"
	"tourniquet/lambda/simvpc/wire"
)

// services are those of one server. They share its world, its clock, its faults
// and its log.
type services struct {
	ec2         *ec2.Service
	ssm         *ssm.Service
	logs        *logs.Service
	autoscaling *autoscaling.Service
}

func (s services) all() []wire.Service { return []wire.Service{s.logs, s.ec2, s.ssm, s.autoscaling} }

// The services that speak JSON name themselves in a header, those that speak the
// query protocol by the version of their API.
const (
	targetSSM          = "AmazonSSM."
	targetLogs         = "Logs_20140328."
	versionAutoScaling = "2011-01-01"
)

// read finds the service that an HTTP request is for, and the call that it makes.
func (s services) read(r *http.Request) (wire.Service, Call, error) {
	c := Call{RequestID: newRequestID()}
	target := r.Header.Get("X-Amz-Target")
	for prefix, service := range map[string]wire.Service{targetSSM: s.ssm, targetLogs: s.logs} {
		if op, ok := strings.CutPrefix(target, prefix); ok {
			c.Op = op
			return service, c, c.readJSON(service, r)
		}
	}
	if err := r.ParseForm(); err != nil {
		return s.ec2, c, err
	}
	var service wire.Service = s.ec2
	if r.Form.Get("Version") == versionAutoScaling {
		service = s.autoscaling
	}
	c.Op, c.Params = r.Form.Get("Action"), r.Form
	op, _ := service.Operation(c.Op)
	c.Mutating = op.Mutating
	return service, c, nil
}

// readJSON reads the input of a JSON call.
func (c *Call) readJSON(service wire.Service, r *http.Request) error {
	var err error
	if c.Input, err = io.ReadAll(r.Body); err != nil {
		return err
	}
	var members any
	if err := json.Unmarshal(c.Input, &members); err != nil {
		return err
	}
	c.Params = url.Values{}
	flatten(c.Params, "", members)
	op, _ := service.Operation(c.Op)
	c.Mutating = op.Mutating
	return nil
}

// flatten names the members of an input as the query protocol would.
func flatten(into url.Values, name string, v any) {
	below := name
	if name != "" {
		below += "."
	}
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			flatten(into, below+key, member)
		}
	case []any:
		for i, member := range v {
			flatten(into, below+strconv.Itoa(i+1), member)
		}
	case nil:
	default:
		into.Set(name, fmt.Sprint(v))
	}
}
