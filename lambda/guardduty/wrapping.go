package guardduty

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// wrapper holds the keys by which the envelopes of other services are known.
type wrapper struct {
	Records json.RawMessage `json:"Records"` // to Lambda from SNS, SQS, Kinesis and others

	Type     scalar `json:"Type"` // an SNS notification as SQS and HTTP get it
	TopicARN scalar `json:"TopicArn"`
	Message  scalar `json:"Message"`

	Body      json.RawMessage `json:"body"`      // a message of SQS, or a request through HTTP
	Payload   json.RawMessage `json:"Payload"`   // the arguments or the result of a Step Functions task
	Input     json.RawMessage `json:"Input"`     // a Step Functions state
	Execution json.RawMessage `json:"Execution"` // the context object of Step Functions
	Event     json.RawMessage `json:"event"`     // what people like to write into a template
	Finding   json.RawMessage `json:"finding"`   // likewise

	AWSLogs        json.RawMessage `json:"awslogs"`        // a subscription of CloudWatch Logs
	RequestPayload json.RawMessage `json:"requestPayload"` // what Lambda sends to a failure destination
}

// A lambdaRecord is one of the records that Lambda or a pipe gets from another service.
type lambdaRecord struct {
	EventSource scalar          `json:"eventSource"`
	SNS         json.RawMessage `json:"Sns"`
	Body        json.RawMessage `json:"body"`
	Data        json.RawMessage `json:"data"`
	Kinesis     json.RawMessage `json:"kinesis"`
}

const fixRule = "make this function the target of the EventBridge rule itself, as the stack does"

// wrapped is the error for an event that comes inside something else. It names the
// wrapping, what to configure, and the filter of jq that unwraps an event by hand.
func wrapped(field, by, fix, filter string) error {
	return wrappedFor(field, by, fix, fmt.Sprintf("jq '%s' event.json", filter))
}

func wrappedFor(field, by, fix, command string) error {
	return malformed(field, "the event comes %s. To receive it as it is, %s. To unwrap one by hand, invoke the function with what this prints: %s",
		by, fix, command)
}

// orWrapped is the error for an event that holds no finding where one should be. When
// the event is wrapped, that is the error, else it is the one given.
func orWrapped(raw []byte, otherwise error) error {
	if err := wrapping(raw); err != nil {
		return err
	}
	return otherwise
}

// wrapping says what an event is wrapped in, if it is.
func wrapping(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return nil
	}
	switch kindOf(raw) {
	case anArray:
		if l, ok := listOf(raw); ok {
			return wrappedInList(first(l))
		}
	case aString:
		if inner, ok := asText(raw); ok {
			return wrapped("event", "as text that holds "+kindOf(inner).String(), "send the JSON itself", "fromjson")
		}
	case anObject:
		if w, ok := decode[wrapper](raw); ok {
			return w.wrapping()
		}
	default:
	}
	return nil // the parser says what is wrong
}

func (w wrapper) wrapping() error {
	switch {
	case w.Records != nil:
		return wrappedInRecords(w.Records)
	case w.Type.s == "Notification" || !w.TopicARN.absent() && !w.Message.absent():
		return wrapped("Message", "in a notification of SNS", fixRule, ".Message | fromjson")
	}
	return w.byKey()
}

// byKey goes by the one key under which a service puts an event.
func (w wrapper) byKey() error {
	for _, k := range []struct {
		name  string
		value json.RawMessage
		by    string
		fix   string
	}{
		{"Payload", w.Payload, "in the arguments or the result of a Step Functions task", `give the task "Payload.$": "$" where the state's input is the event`},
		{"Input", w.Input, "in the input of a Step Functions state", `give the task "Payload.$": "$.Input", or the path at which the state has the event`},
		{"Execution", w.Execution, "in the context object of Step Functions", `give the task "Payload.$": "$$.Execution.Input"`},
		{"requestPayload", w.RequestPayload, "in the record that Lambda sends to a failure destination", "send the event that failed"},
		{"body", w.Body, "in a message of SQS or a request through HTTP", fixRule},
		{"event", w.Event, "under a key of its own, as a template writes it", "let the template be the event alone"},
		{"finding", w.Finding, "under a key of its own, as a template writes it", "let the template be the finding alone"},
	} {
		if k.value != nil {
			return wrapped(k.name, k.by, k.fix, keyPath(k.name, k.value))
		}
	}
	if w.AWSLogs != nil {
		return wrappedFor("awslogs", "in a log subscription of CloudWatch Logs", fixRule,
			"jq -r .awslogs.data event.json | base64 -d | gunzip | jq '.logEvents[].message | fromjson'")
	}
	return nil
}

// keyPath is the filter of jq for what a key holds.
func keyPath(name string, value json.RawMessage) string {
	path := map[string]string{"Input": "(.Input // .input)", "Execution": ".Execution.Input"}[name]
	if path == "" {
		path = "." + name
	}
	if _, isText := asText(value); isText {
		return path + " | fromjson"
	}
	return path
}

func wrappedInRecords(records json.RawMessage) error {
	l, _ := listOf(records)
	r, _ := decode[lambdaRecord](first(l))
	switch {
	case r.EventSource.s == "aws:sns" || r.SNS != nil:
		return wrapped("Records[0].Sns.Message", "in a record of SNS", fixRule, ".Records[].Sns.Message | fromjson")
	case r.EventSource.s == "aws:sqs" || r.Body != nil:
		return wrapped("Records[0].body", "in a record of SQS", fixRule, ".Records[].body | fromjson"+inNotification(r.Body))
	case r.Kinesis != nil:
		return wrapped("Records[0].kinesis.data", "in a record of Kinesis", fixRule, ".Records[].kinesis.data | @base64d | fromjson")
	default:
		return malformed("Records[0]", "the event comes in a record of another service (eventSource: %s). To receive it as it is, %s", r.EventSource.got(), fixRule)
	}
}

// wrappedInList is the error for a list of events. An EventBridge pipe sends lists.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/pipes-targets-specifics.html
func wrappedInList(element json.RawMessage) error {
	const by, fix = "in a list, as an EventBridge pipe sends it", "use an EventBridge rule in the place of the pipe, with this function as its target"
	r, _ := decode[lambdaRecord](element)
	switch {
	case r.Body != nil:
		return wrapped("[0].body", by+" from SQS", fix, ".[].body | fromjson"+inNotification(r.Body))
	case r.Data != nil:
		return wrapped("[0].data", by+" from a stream", fix, ".[].data | @base64d | fromjson")
	default:
		return wrapped("[0]", by, fix, ".[0]")
	}
}

// detailAlone is the error for an event of which only the detail has arrived.
func detailAlone() error {
	return wrapped("detail", "without its envelope, as an input path or an input transformer leaves it",
		"let the rule's target have the whole matched event", ".detail")
}

// inNotification goes on where SNS delivers to SQS and the body is a notification.
func inNotification(body json.RawMessage) string {
	text, _ := asText(body)
	if w, ok := decode[wrapper](text); ok && w.Type.s == "Notification" {
		return " | .Message | fromjson"
	}
	return ""
}

// listOf is a JSON array as a list, if raw is one.
func listOf(raw []byte) (l list[json.RawMessage], isList bool) {
	err := json.Unmarshal(raw, &l)
	return l, err == nil && l.given
}

// first is the first element of a list, null when it is empty.
func first(l list[json.RawMessage]) json.RawMessage {
	if len(l.Items) == 0 {
		return json.RawMessage("null")
	}
	return l.Items[0]
}
