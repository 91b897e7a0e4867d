package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/record"
)

// Notifier tells people through an SNS topic.
type Notifier struct {
	Client *sns.Client
	Topic  string // its ARN
}

// worthTelling reports whether people should hear of an outcome: something was
// changed, or they have to do something, or they asked whether this works.
func worthTelling(o containment.Outcome) bool {
	switch o.Verdict {
	case record.Contain, record.Reconcile:
		return len(o.Applied) > 0 || o.Unrecorded || o.Record.Status == record.Closed
	case record.Release, record.Held, record.Exempt, record.Sample:
		return true
	default:
		return false
	}
}

// Notify publishes one outcome: a text for people, with the answer's JSON below.
func (n *Notifier) Notify(ctx context.Context, o containment.Outcome) error {
	body, err := message(o)
	if err != nil {
		return err
	}
	_, err = n.Client.Publish(ctx, &sns.PublishInput{
		TopicArn: aws.String(n.Topic), Subject: aws.String(subject(o)), Message: aws.String(body),
	})
	return err
}

// subject is plain ASCII of at most 100 characters, as SNS asks for.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func subject(o containment.Outcome) string {
	what := string(o.Verdict)
	if o.Record.Status != "" {
		what = string(o.Record.Status)
	}
	s := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, fmt.Sprintf("Tourniquet: %s %s", o.Instance, what))
	return s[:min(len(s), 99)]
}

func message(o containment.Outcome) (string, error) {
	one := answer.NewAnswer([]containment.Outcome{o})
	doc, err := json.MarshalIndent(one, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encoding the notification: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n%s\n", o.Instance, o.Verdict, o.Reason)
	if o.Unrecorded {
		b.WriteString("NOT in the ledger: only the interfaces' tags hold the original groups.\n")
	}
	for _, i := range one.Incidents {
		for _, s := range i.Steps {
			fmt.Fprintf(&b, "  %-8s %s\n", s.State, s.ID)
		}
		if len(i.Exposure) > 0 {
			b.WriteString("What may still flow:\n")
		}
		for _, e := range i.Exposure {
			fmt.Fprintf(&b, "  %s: %s\n", e.Kind, e.Detail)
		}
	}
	b.WriteString("\n")
	b.Write(doc)
	return b.String(), nil
}
