// Package account is what the operator's command sees of an AWS account, at wire level,
// for tests: the stack, the caller, the functions and the ledger's table. EC2 is the
// simulated VPC's.
package account

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// What the account says of itself.
const (
	ID      = "111122223333"
	Region  = "eu-west-1"
	Caller  = "arn:aws:iam::111122223333:user/alice"
	Contain = "tourniquet-contain"
	Release = "tourniquet-release"
	Table   = "ledger"
)

// A Reply is what a function's invocation comes to.
type Reply struct {
	Status        int    // 200 when zero
	FunctionError string // "Unhandled" where the function returned an error
	Body          string
	Hang          <-chan struct{} // answer only when it closes
	Drop          bool            // close the connection without an answer
}

// An Account answers the command.
type Account struct {
	URL string

	// Invoke answers an invocation. It is called once for each that arrives.
	Invoke func(function string, payload []byte) Reply

	// Stacks are the Regions that have the stack, by its name.
	Stacks map[string]string

	// Broken is a Region in which no stack can be looked up.
	Broken string

	// Deny are IAM actions that are refused.
	Deny map[string]bool

	mu          sync.Mutex
	invocations []Invocation
	items       map[string]map[string]json.RawMessage // DynamoDB's JSON, by key
}

// An Invocation is one that arrived.
type Invocation struct{ Function, Payload string }

// Start serves an account until the test ends, with the stack in one Region.
func Start(tb testing.TB) *Account {
	tb.Helper()
	a := &Account{
		Stacks: map[string]string{Region: "Tourniquet"}, Deny: map[string]bool{}, items: map[string]map[string]json.RawMessage{},
		Invoke: func(string, []byte) Reply { return Reply{Status: http.StatusNotImplemented} },
	}
	server := httptest.NewServer(a)
	tb.Cleanup(server.Close)
	a.URL = server.URL
	return a
}

// Environment is what a process needs to use the account, as "NAME=value", and nothing
// of the account that whoever runs the tests may be signed in to.
func (a *Account) Environment(ec2 string) []string {
	a.mu.Lock() // what was set before the command starts is seen by the server that answers it
	defer a.mu.Unlock()
	return []string{
		"AWS_ENDPOINT_URL=" + a.URL, "AWS_ENDPOINT_URL_EC2=" + ec2, "AWS_REGION=" + Region,
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_SESSION_TOKEN=", "AWS_PROFILE=",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent",
		"AWS_MAX_ATTEMPTS=1", "NO_COLOR=", "COLUMNS=",
	}
}

// Use sets the environment for the rest of the test.
func (a *Account) Use(t *testing.T, ec2 string) {
	t.Helper()
	for _, e := range a.Environment(ec2) {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
}

// Invocations are those that have arrived, in their order.
func (a *Account) Invocations() []Invocation {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Invocation(nil), a.invocations...)
}

// scope finds the Region in a request's signature.
var scope = regexp.MustCompile(`Credential=[^/]+/\d+/([^/]+)/`)

func regionOf(r *http.Request) string {
	if m := scope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		return m[1]
	}
	return ""
}

func (a *Account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	form, _ := url.ParseQuery(string(body))
	target := r.Header.Get("X-Amz-Target")
	switch function, isInvoke := functionOf(r.URL.Path); {
	case isInvoke && a.Deny["lambda:InvokeFunction"]:
		fault(w, http.StatusForbidden, "AccessDeniedException", "User is not authorized to perform: lambda:InvokeFunction")
	case isInvoke:
		a.invoke(w, r, function, body)
	case target != "" && a.Deny["dynamodb:Query"]:
		fault(w, http.StatusBadRequest, "AccessDeniedException", "User is not authorized to perform: dynamodb:Query")
	case target != "":
		a.dynamo(w, strings.TrimPrefix(target, "DynamoDB_20120810."), body)
	case form.Get("Action") == "DescribeStacks":
		a.describeStacks(w, regionOf(r), form.Get("StackName"))
	case form.Get("Action") == "DescribeStackResources":
		a.describeStackResources(w, regionOf(r), form.Get("PhysicalResourceId"))
	case form.Get("Action") == "GetCallerIdentity":
		fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>%s</Arn><Account>%s</Account><UserId>AIDA</UserId></GetCallerIdentityResult></GetCallerIdentityResponse>`, Caller, ID)
	default:
		http.Error(w, "not served: "+r.Method+" "+r.URL.Path+" "+form.Get("Action"), http.StatusNotImplemented)
	}
}

func functionOf(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, "/2015-03-31/functions/")
	name, isInvoke := strings.CutSuffix(rest, "/invocations")
	return name, ok && isInvoke
}

func (a *Account) invoke(w http.ResponseWriter, r *http.Request, function string, payload []byte) {
	a.mu.Lock()
	a.invocations = append(a.invocations, Invocation{function, string(payload)})
	answer := a.Invoke
	a.mu.Unlock()
	reply := answer(function, payload)
	if reply.Hang != nil {
		select {
		case <-reply.Hang:
		case <-r.Context().Done():
			return
		}
	}
	if reply.Drop {
		panic(http.ErrAbortHandler)
	}
	if reply.FunctionError != "" {
		w.Header().Set("X-Amz-Function-Error", reply.FunctionError)
	}
	if reply.Status != 0 {
		w.Header().Set("X-Amzn-Errortype", errorTypes[reply.Status])
		w.WriteHeader(reply.Status)
	}
	_, _ = io.WriteString(w, reply.Body)
}

// errorTypes are Lambda's errors by status.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
var errorTypes = map[int]string{
	http.StatusTooManyRequests: "TooManyRequestsException", http.StatusNotFound: "ResourceNotFoundException",
	http.StatusNotImplemented: "ServiceException",
}

func fault(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
}

func (a *Account) describeStacks(w http.ResponseWriter, region, name string) {
	problem := ""
	switch {
	case a.Deny["cloudformation:DescribeStacks"] || region == a.Broken:
		problem = "<Code>AccessDenied</Code><Message>User is not authorized to perform: cloudformation:DescribeStacks</Message>"
	case a.Stacks[region] != name:
		problem = "<Code>ValidationError</Code><Message>Stack with id " + name + " does not exist</Message>"
	}
	if problem != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type>%s</Error><RequestId>1</RequestId></ErrorResponse>", problem)
		return
	}
	var outputs strings.Builder
	for _, o := range [][2]string{{"ContainFunctionName", Contain}, {"ReleaseFunctionName", Release}, {"TableName", Table}} {
		fmt.Fprintf(&outputs, "<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>", o[0], o[1])
	}
	fmt.Fprintf(w, `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>%s</StackName><StackStatus>CREATE_COMPLETE</StackStatus>`+
		`<CreationTime>2026-11-01T00:00:00Z</CreationTime><Outputs>%s</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`, name, outputs.String())
}

// describeStackResources finds the stack by one of its resources.
func (a *Account) describeStackResources(w http.ResponseWriter, region, id string) {
	if a.Deny["cloudformation:DescribeStackResources"] || a.Stacks[region] == "" || id != Contain {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack for %s does not exist</Message></Error><RequestId>1</RequestId></ErrorResponse>", id)
		return
	}
	fmt.Fprintf(w, `<DescribeStackResourcesResponse><DescribeStackResourcesResult><StackResources><member><StackName>%s</StackName><PhysicalResourceId>%s</PhysicalResourceId>`+
		`<LogicalResourceId>Function</LogicalResourceId><ResourceType>AWS::Lambda::Function</ResourceType><ResourceStatus>CREATE_COMPLETE</ResourceStatus>`+
		`<Timestamp>2026-11-01T00:00:00Z</Timestamp></member></StackResources></DescribeStackResourcesResult></DescribeStackResourcesResponse>`, a.Stacks[region], id)
}
