package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"tourniquet/lambda/version"
)

// CloudTrail shows the user agent of a request: it says who acted, in which version.
func TestUserAgent(t *testing.T) {
	var agent string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { agent = r.UserAgent() }))
	defer server.Close()
	calls := &counter{}
	cfg, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithAppID(appID), awsconfig.WithAPIOptions(apiOptions(calls)),
		awsconfig.WithBaseEndpoint(server.URL), awsconfig.WithRegion("eu-central-1"), awsconfig.WithRetryMaxAttempts(1),
		awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("id", "secret", "")))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = sns.NewFromConfig(cfg).ListTopics(t.Context(), &sns.ListTopicsInput{}) // the answer is no matter
	for _, want := range []string{"app/tourniquet", "tourniquet/" + version.String()} {
		if !strings.Contains(agent, want) {
			t.Errorf("user agent %q lacks %q", agent, want)
		}
	}
	if n := calls.count(); n != 1 {
		t.Errorf("counted %d calls, want 1", n)
	}
}
