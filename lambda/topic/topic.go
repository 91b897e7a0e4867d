// Package topic delivers messages to people and chat through an SNS topic.
package topic

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"tourniquet/lambda/notice"
)

// Actions are the IAM actions of the calls that this package makes.
var Actions = []string{"sns:Publish"}

// A Topic is an SNS topic. Its client is made at the first message: most
// invocations have nothing to say.
type Topic struct {
	ARN    string
	client func() *sns.Client
}

// New is the topic with an ARN.
func New(cfg aws.Config, arn string) *Topic {
	return &Topic{ARN: arn, client: sync.OnceValue(func() *sns.Client { return sns.NewFromConfig(cfg) })}
}

// Publish delivers a message. SNS gives each kind of subscriber its own part of it.
// https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html
func (t *Topic) Publish(ctx context.Context, m notice.Message) error {
	_, err := t.client().Publish(ctx, &sns.PublishInput{
		TopicArn: &t.ARN, Subject: &m.Subject, Message: &m.Body, MessageStructure: aws.String("json"),
	})
	if err != nil {
		return fmt.Errorf("publishing %q: %w", m.Subject, err)
	}
	return nil
}
