package guardduty

import (
	"encoding/base64"
	"encoding/json"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// A finding that comes wrapped is an error that says in what, what to configure, and how
// to unwrap it.
func TestWrappedEvents(t *testing.T) {
	t.Parallel()
	event := guardDutyEvent(minimal)
	text := strconv.Quote
	notification := `{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-central-1:111122223333:t","Message":` + text(oneLine(t, event)) + `}`
	for name, test := range map[string]struct {
		event string
		field string
		says  []string
	}{
		"a record of SNS": {
			`{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","Sns":` + notification + `}]}`,
			"Records[0].Sns.Message",
			[]string{"record of SNS", "target of the EventBridge rule", ".Records[].Sns.Message | fromjson"},
		},
		"a record of SQS": {
			`{"Records":[{"messageId":"m","eventSource":"aws:sqs","body":` + text(oneLine(t, event)) + `}]}`,
			"Records[0].body",
			[]string{"record of SQS", "target of the EventBridge rule", "'.Records[].body | fromjson'"},
		},
		"SNS in SQS": {
			`{"Records":[{"eventSource":"aws:sqs","body":` + text(oneLine(t, notification)) + `}]}`,
			"Records[0].body",
			[]string{"record of SQS", ".Records[].body | fromjson | .Message | fromjson"},
		},
		"a record of Kinesis": {
			`{"Records":[{"eventSource":"aws:kinesis","kinesis":{"data":"` + base64.StdEncoding.EncodeToString([]byte(event)) + `"}}]}`,
			"Records[0].kinesis.data",
			[]string{"record of Kinesis", "@base64d"},
		},
		"a record of S3":        {`{"Records":[{"eventSource":"aws:s3","s3":{}}]}`, "Records[0]", []string{`record of another service (eventSource: got "aws:s3")`, "target of the EventBridge rule"}},
		"no record":             {`{"Records":[]}`, "Records[0]", []string{"record of another service"}},
		"a notification of SNS": {notification, "Message", []string{"notification of SNS", "'.Message | fromjson'"}},
		"a pipe's list":         {`[` + event + `]`, "[0]", []string{"EventBridge pipe", "in the place of the pipe", "'.[0]'"}},
		"an empty list":         {`[]`, "[0]", []string{"EventBridge pipe"}},
		"a pipe from SQS":       {`[{"messageId":"m","eventSource":"aws:sqs","body":` + text(oneLine(t, event)) + `}]`, "[0].body", []string{"EventBridge pipe", "SQS", "'.[].body | fromjson'"}},
		"a pipe from Kinesis": {
			`[{"eventSource":"aws:kinesis","data":"` + base64.StdEncoding.EncodeToString([]byte(event)) + `"}]`,
			"[0].data",
			[]string{"stream", "@base64d"},
		},
		"a task of Step Functions":            {`{"FunctionName":"f","Payload":` + event + `}`, "Payload", []string{"Step Functions", `"Payload.$": "$"`, "'.Payload'"}},
		"the result of a task":                {`{"ExecutedVersion":"$LATEST","Payload":` + text(oneLine(t, event)) + `,"StatusCode":200}`, "Payload", []string{"Step Functions", "'.Payload | fromjson'"}},
		"a state of Step Functions":           {`{"Input":` + event + `,"TaskToken":"t"}`, "Input", []string{"Step Functions state", `"Payload.$": "$.Input"`}},
		"a state of Step Functions, in camel": {`{"input":` + event + `}`, "Input", []string{"Step Functions state"}},
		"the context object":                  {`{"Execution":{"Id":"e","Input":` + event + `},"State":{},"StateMachine":{}}`, "Execution", []string{"context object of Step Functions", "'.Execution.Input'"}},
		"a detail alone":                      {`{"detail":` + minimal + `}`, "detail", []string{"input transformer", "whole matched event", "'.detail'"}},
		"an empty detail alone":               {`{"detail":{}}`, "detail", []string{"without its envelope"}},
		"a failure destination":               {`{"version":"1.0","requestContext":{"condition":"RetriesExhausted"},"requestPayload":` + event + `}`, "requestPayload", []string{"failure destination", "'.requestPayload'"}},
		"a log subscription":                  {`{"awslogs":{"data":"H4sI"}}`, "awslogs", []string{"CloudWatch Logs", "base64 -d"}},
		"a request through HTTP":              {`{"version":"2.0","requestContext":{},"body":` + text(oneLine(t, event)) + `}`, "body", []string{"HTTP", "'.body | fromjson'"}},
		"a template's key":                    {`{"finding":` + minimal + `}`, "finding", []string{"template", "'.finding'"}},
		"text":                                {text(oneLine(t, event)), "event", []string{"text that holds an object", "'fromjson'"}},
	} {
		got, err := ParseEvent([]byte(test.event))
		bad, ok := err.(*EventError) //nolint:errorlint // Lambda reports the type of the error itself.
		if !ok || len(got) != 0 {
			t.Errorf("%s: %d findings, %v; want an EventError", name, len(got), err)
			continue
		}
		if bad.Field != test.field {
			t.Errorf("%s: field %q, want %q", name, bad.Field, test.field)
		}
		for _, says := range test.says {
			if !strings.Contains(bad.Error(), says) {
				t.Errorf("%s: the error lacks %q:\n%v", name, says, bad)
			}
		}
		if strings.Contains(test.event, "i-0123456789abcdef0") || strings.Contains(test.event, "aws:kinesis") {
			unwrapped(t, name, test.event, bad.Error())
		}
	}
}

// unwrapped does what the error says, and parses the result.
func unwrapped(t *testing.T, name, event, advice string) {
	t.Helper()
	jq, err := exec.LookPath("jq")
	if err != nil {
		t.Logf("%s: not unwrapped, jq is not installed", name)
		return
	}
	_, filter, _ := strings.Cut(advice, "jq '")
	filter, _, _ = strings.Cut(filter, "' event.json")
	cmd := exec.CommandContext(t.Context(), jq, filter)
	cmd.Stdin = strings.NewReader(event)
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: jq %q: %v", name, filter, err)
		return
	}
	got, err := ParseEvent(out)
	if err != nil || len(got) != 1 || len(got[0].Instances) != 1 {
		t.Errorf("%s: jq %q prints %s: %+v, %v", name, filter, out, got, err)
	}
}

// An event that is not wrapped is still named for what it is.
func TestUnwrappedEvents(t *testing.T) {
	t.Parallel()
	for event, field := range map[string]string{
		`{}`: "event", `7`: "event", `"x"`: "event", `{"Records":`: "event", `{"source":"aws.guardduty","body":"x"}`: "detail-type",
		with("body", `"x"`): "", // a finding may have any further key
	} {
		_, err := ParseEvent([]byte(event))
		bad, _ := err.(*EventError) //nolint:errorlint // Lambda reports the type of the error itself.
		if field == "" && err != nil || field != "" && (bad == nil || bad.Field != field) {
			t.Errorf("%s: %v, want field %q", event, err, field)
		}
	}
}

func oneLine(t *testing.T, event string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(event), &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
