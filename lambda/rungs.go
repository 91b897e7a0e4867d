package main

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"tourniquet/lambda/config"
	"tourniquet/lambda/containment"
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
}

// addReleaseRungs gives a releaser who undoes them.
func addReleaseRungs(r *containment.Releaser, cfg config.Config, sdk aws.Config) {
	r.Beside = map[record.Kind]containment.Measures{}
	r.Keeper = &keep.Reverter{Client: keep.New(sdk)}
	if cfg.RestoreDocument != "" {
		hosts := &host.Client{Config: sdk, Restore: cfg.RestoreDocument}
		r.Beside[record.KindHost], r.Hosts = host.Restoring{Client: hosts}, hosts
	}
}
