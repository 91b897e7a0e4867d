package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsguardduty"
	"github.com/aws/jsii-runtime-go"
)

// addDetector turns GuardDuty on. Updated findings are published every 15 minutes,
// as often as GuardDuty does it: a peer that a finding names later is denied only
// then. GuardDuty's default is 6 hours.
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html
func addDetector(stack awscdk.Stack) {
	awsguardduty.NewCfnDetector(stack, jsii.String("Detector"), &awsguardduty.CfnDetectorProps{
		Enable:                     jsii.Bool(true),
		FindingPublishingFrequency: jsii.String("FIFTEEN_MINUTES"),
	})
}
