package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
)

// A Protocol is how a service speaks: how it writes answers and refusals, and the
// errors that any of its operations may have.
type Protocol struct {
	ContentType string
	// Answer writes the result of an operation.
	Answer func(op, requestID string, result any) ([]byte, error)
	// Refusal writes an error.
	Refusal func(requestID string, e *Error) []byte
	// What a service says that is throttled, broken or overloaded, or that doesn't
	// know an operation.
	Throttled, Internal, Unavailable *Error
	Unknown                          func(op string) *Error
}

// EC2Query is EC2's own form of the query protocol
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
var EC2Query = &Protocol{
	ContentType: "text/xml;charset=UTF-8",
	Answer: func(op, _ string, result any) ([]byte, error) { // which has the request id
		return encode(op+"Response", "http://ec2.amazonaws.com/doc/2016-11-15/", result)
	},
	Refusal: func(requestID string, e *Error) []byte {
		type item struct{ Code, Message string }
		return mustXML(struct {
			XMLName   xml.Name `xml:"Response"`
			Errors    []item   `xml:"Errors>Error"`
			RequestID string
		}{Errors: []item{{e.Code, e.Message}}, RequestID: requestID})
	},
	Throttled:   &Error{"RequestLimitExceeded", "Request limit exceeded.", http.StatusServiceUnavailable},
	Internal:    &Error{"InternalError", "An internal error has occurred", http.StatusInternalServerError},
	Unavailable: &Error{"Unavailable", "The server is overloaded and can't handle the request", http.StatusServiceUnavailable},
	Unknown: func(op string) *Error {
		return Fail("InvalidAction", "The action %s is not valid for this web service.", op)
	},
}

// Query is the query protocol of a service with that XML namespace
// (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html).
func Query(namespace string) *Protocol {
	return &Protocol{
		ContentType: "text/xml",
		Answer: func(op, requestID string, result any) ([]byte, error) {
			inner, err := encode(op+"Result", "", result)
			if err != nil {
				return nil, err
			}
			return fmt.Appendf(nil, "<%[1]sResponse xmlns=%[2]q>%[3]s<ResponseMetadata><RequestId>%[4]s</RequestId></ResponseMetadata></%[1]sResponse>",
				op, namespace, bytes.TrimPrefix(inner, []byte(xml.Header)), requestID), nil
		},
		Refusal: func(requestID string, e *Error) []byte {
			type item struct{ Type, Code, Message string }
			kind := "Sender"
			if e.Status >= http.StatusInternalServerError {
				kind = "Receiver"
			}
			return mustXML(struct {
				XMLName   xml.Name `xml:"ErrorResponse"`
				Error     item
				RequestID string `xml:"RequestId"`
			}{Error: item{kind, e.Code, e.Message}, RequestID: requestID})
		},
		Throttled:   &Error{"Throttling", "Rate exceeded", http.StatusBadRequest},
		Internal:    &Error{"InternalFailure", "An internal error has occurred", http.StatusInternalServerError},
		Unavailable: &Error{"ServiceUnavailable", "The service is overloaded", http.StatusServiceUnavailable},
		Unknown:     func(op string) *Error { return Fail("InvalidAction", "Could not find operation %s", op) },
	}
}

// JSON is the JSON protocol, version 1.1
// (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html).
var JSON = &Protocol{
	ContentType: "application/x-amz-json-1.1",
	Answer: func(_, _ string, result any) ([]byte, error) {
		return json.Marshal(result)
	},
	Refusal: func(_ string, e *Error) []byte {
		body, err := json.Marshal(map[string]string{"__type": e.Code, "message": e.Message})
		if err != nil { // can't happen: strings only
			return []byte(err.Error())
		}
		return body
	},
	Throttled:   &Error{"ThrottlingException", "Rate exceeded", http.StatusBadRequest},
	Internal:    &Error{"InternalServerError", "An internal error has occurred", http.StatusInternalServerError},
	Unavailable: &Error{"ServiceUnavailableException", "The service is overloaded", http.StatusServiceUnavailable},
	Unknown:     func(op string) *Error { return Fail("UnknownOperationException", "unknown operation %s", op) },
}

// Decode reads the input of a JSON call. What it doesn't know, it refuses.
func Decode[T any](r *Request) (*T, error) {
	into := new(T)
	d := json.NewDecoder(bytes.NewReader(r.Input))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return nil, Fail("SerializationException", "%s", err)
	}
	return into, nil
}

// encode writes an XML document.
func encode(name, namespace string, result any) ([]byte, error) {
	start := xml.StartElement{Name: xml.Name{Local: name}}
	if namespace != "" {
		start.Attr = []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}}
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	err := xml.NewEncoder(&b).EncodeElement(result, start)
	return b.Bytes(), err
}

func mustXML(doc any) []byte {
	body, err := xml.Marshal(doc)
	if err != nil { // can't happen: strings only
		return []byte(err.Error())
	}
	return append([]byte(xml.Header), body...)
}

// statuses are the HTTP statuses of errors that are not 400, where an Error has
// none of its own
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
var statuses = map[string]int{
	"AuthFailure":           http.StatusUnauthorized,
	"UnauthorizedOperation": http.StatusForbidden,
	"OptInRequired":         http.StatusForbidden,
	"PendingVerification":   http.StatusForbidden,
	"DryRunOperation":       http.StatusPreconditionFailed,
	"InternalError":         http.StatusInternalServerError,
	"InternalFailure":       http.StatusInternalServerError,
	"InternalServerError":   http.StatusInternalServerError,
	"EC2ThrottledException": http.StatusServiceUnavailable,
	"RequestLimitExceeded":  http.StatusServiceUnavailable,
	"ServiceUnavailable":    http.StatusServiceUnavailable,
	"Unavailable":           http.StatusServiceUnavailable,
}

// HTTPStatus is the status that an error is answered with.
func (e *Error) HTTPStatus() int {
	return cmp.Or(e.Status, statuses[e.Code], http.StatusBadRequest)
}
