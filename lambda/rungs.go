package main

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"tourniquet/lambda/config"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/flowlog"
	"tourniquet/lambda/host"
	"tourniquet/lambda/keep"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// addRungs gives a responder who carries out the measures that are turned on.
func addRungs(r *containment.Responder, cfg config.Config, sdk aws.Config) {
	r.Beside = map[record.Kind]containment.Measures{}
	keeping := keep.New(sdk)
	r.Keeping = keeping
	for _, kind := range record.Keeping {
		r.Beside[kind] = keeping
	}
	if cfg.OnHost != plan.OnHostOff && cfg.IsolateDocument != "" {
		hosts := &host.Client{Config: sdk, Isolate: cfg.IsolateDocument}
		r.Beside[record.KindHost], r.Hosts = host.Isolating{Client: hosts}, hosts
	}
	if flows := flowsOf(cfg, sdk); flows != nil {
		r.Beside[record.KindFlowLog] = flowlog.Making{Client: flows}
	}
}

// readFlows gives a handler the flow logs to read.
func readFlows(h *Handler, cfg config.Config, sdk aws.Config) {
	if flows := flowsOf(cfg, sdk); flows != nil {
		h.Flows = flows
	}
}

// flowsOf are the flow logs; nil where they are turned off.
func flowsOf(cfg config.Config, sdk aws.Config) *flowlog.Client {
	if cfg.Survivors == plan.SurvivorsOff || cfg.FlowLogGroup == "" || cfg.FlowLogRole == "" {
		return nil
	}
	return &flowlog.Client{Config: sdk, Group: cfg.FlowLogGroup, Role: cfg.FlowLogRole}
}

// addReleaseRungs gives a releaser who undoes them.
func addReleaseRungs(r *containment.Releaser, cfg config.Config, sdk aws.Config) {
	r.Beside = map[record.Kind]containment.Measures{}
	r.Keeper = &keep.Reverter{Client: keep.New(sdk)}
	if cfg.RestoreDocument != "" {
		hosts := &host.Client{Config: sdk, Restore: cfg.RestoreDocument}
		r.Beside[record.KindHost], r.Hosts = host.Restoring{Client: hosts}, hosts
	}
	if cfg.FlowLogGroup != "" {
		r.Beside[record.KindFlowLog] = flowlog.Deleting{Client: &flowlog.Client{Config: sdk, Group: cfg.FlowLogGroup}}
	}
}
