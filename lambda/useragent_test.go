package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"tourniquet/lambda/version"
)

// CloudTrail shows the user agent of a request: it says who acted, in which version.
func TestUserAgent(t *testing.T) {
	var agent string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { agent = r.UserAgent() }))
	defer server.Close()
	calls := &counter{}
	for name, value := range map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": server.URL,
	} {
		t.Setenv(name, value)
	}
	cfg, err := sdkConfig(calls)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RetryMaxAttempts = 1
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
