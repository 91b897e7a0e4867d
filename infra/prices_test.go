package main

// AWS's list prices in US dollars for us-east-1, without free tiers, as published in
// pricesAsOf. Whoever changes one changes the date, after a look at all pages.
const pricesAsOf = "February 2026"

const (
	million  = 1e6
	gigabyte = 1e9
	month    = 30 * 24 // hours
)

const (
	// https://aws.amazon.com/lambda/pricing/ (arm64)
	lambdaRequest  = 0.20 / million
	lambdaGBSecond = 0.0000133334

	// https://aws.amazon.com/dynamodb/pricing/on-demand/ (standard table)
	dynamoRead  = 0.125 / million
	dynamoWrite = 0.625 / million

	// https://aws.amazon.com/cloudwatch/pricing/ (flow logs are vended logs, at the same price)
	alarmMonth     = 0.10
	metricMonth    = 0.30 // charged by the hour
	dashboardMonth = 3.00
	logGB          = 0.50
	trace          = 5.00 / million // https://aws.amazon.com/xray/pricing/

	// https://aws.amazon.com/sns/pricing/ and https://aws.amazon.com/eventbridge/pricing/
	snsRequest  = 0.50 / million
	email       = 2.00 / 100000
	customEvent = 1.00 / million

	// https://aws.amazon.com/kms/pricing/
	keyMonth = 1.00
)
