package topic

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/notice"
)

func serve(t *testing.T, status int) (*Topic, *url.Values) {
	t.Helper()
	var got url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got, _ = url.ParseQuery(string(raw))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`)
	}))
	t.Cleanup(server.Close)
	return New(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	}, "arn:aws:sns:eu-west-1:111122223333:tourniquet"), &got
}

// SNS is told that the body has a part for each kind of subscriber.
func TestPublish(t *testing.T) {
	t.Parallel()
	topic, got := serve(t, http.StatusOK)
	if err := topic.Publish(t.Context(), notice.Message{Subject: "s", Body: `{"default":"d"}`}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"Action": "Publish", "TopicArn": topic.ARN, "Subject": "s", "Message": `{"default":"d"}`, "MessageStructure": "json",
	} {
		if got.Get(key) != want {
			t.Errorf("%s is %q, want %q", key, got.Get(key), want)
		}
	}
}

func TestRefusedMessage(t *testing.T) {
	t.Parallel()
	topic, _ := serve(t, http.StatusForbidden)
	if err := topic.Publish(t.Context(), notice.Message{Subject: "s", Body: "{}"}); err == nil {
		t.Error("a refused message has no error")
	}
}
