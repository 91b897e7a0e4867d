package notice

import (
	"encoding/json"
	"fmt"
	"strings"

	"tourniquet/lambda/plain"
)

// A Message is what SNS is to publish, with the message structure "json".
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
type Message struct {
	Subject string
	Body    string // one JSON object: default, email and https
}

// MaxBody is how long a message can be, in bytes.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const MaxBody = 256 << 10

// Message writes news for people and for chat.
func (n News) Message() (Message, error) {
	chat, err := json.Marshal(n.chat())
	if err != nil {
		return Message{}, fmt.Errorf("encoding the chat notification of %s: %w", n.Thread(), err)
	}
	text := n.text()
	body, err := json.Marshal(map[string]string{"default": text, "email": text, "https": string(chat)})
	if err != nil {
		return Message{}, fmt.Errorf("encoding the message of %s: %w", n.Thread(), err)
	}
	if len(body) > MaxBody {
		return Message{}, fmt.Errorf("the message of %s has %d bytes, more than the %d that SNS takes", n.Thread(), len(body), MaxBody)
	}
	return Message{Subject: n.subject(), Body: string(body)}, nil
}

// A chat is a custom notification of Amazon Q Developer in chat applications.
// https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
type chat struct {
	Version  string       `json:"version"`
	Source   string       `json:"source"`
	Content  chatContent  `json:"content"`
	Metadata chatMetadata `json:"metadata"`
}

type chatContent struct {
	TextType    string   `json:"textType"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	NextSteps   []string `json:"nextSteps,omitempty"`
	Keywords    []string `json:"keywords,omitempty"`
}

type chatMetadata struct {
	ThreadID          string            `json:"threadId"`
	Summary           string            `json:"summary"`
	EventType         string            `json:"eventType"`
	RelatedResources  []string          `json:"relatedResources"`
	AdditionalContext map[string]string `json:"additionalContext"`
}

// The limits of a custom notification, in characters; as bytes they are stricter.
const (
	maxTitle       = 250
	maxDescription = 8000
	maxNextStep    = 350
	maxKeyword     = 75
)

func (n News) chat() chat {
	c := chat{
		Version: "1.0", Source: "custom",
		Content: chatContent{
			TextType: "client-markdown", Title: plain.Line(inert(n.headline()), maxTitle), Description: n.description(),
		},
		Metadata: chatMetadata{
			ThreadID: n.Thread(), Summary: plain.Line(inert(n.headline()), maxTitle), EventType: string(n.Kind),
			RelatedResources: []string{n.ARN()},
			AdditionalContext: map[string]string{
				"instance": n.Incident.Instance, "incident": n.Thread(), "account": n.Place.Account, "region": n.Place.Region,
				"status": string(n.Incident.Status),
			},
		},
	}
	for i, command := range n.next() {
		c.Content.NextSteps = append(c.Content.NextSteps, plain.Line(n.purpose(i)+": `"+command+"`", maxNextStep))
	}
	for _, word := range []string{n.Incident.Instance, n.Place.Account, n.Place.Region, string(n.Kind)} {
		if word != "" {
			c.Content.Keywords = append(c.Content.Keywords, plain.Line(inert(word), maxKeyword))
		}
	}
	return c
}

// description is the text below the title, in the chat's own markdown.
func (n News) description() string {
	var b strings.Builder
	if n.Incident.Reason != "" {
		b.WriteString(inert(plain.Line(n.Incident.Reason, maxReason)) + "\n")
	}
	if n.Incident.Unrecorded {
		b.WriteString("*Not in the ledger*: only the interfaces' tags hold the original groups.\n")
	}
	for _, s := range n.sections() {
		part := "\n*" + inert(s.heading) + "*\n"
		for _, line := range s.lines {
			part += "• " + inert(line) + "\n"
		}
		if b.Len()+len(part) > maxDescription {
			break
		}
		b.WriteString(part)
	}
	return strings.TrimSpace(b.String())
}

// markup are the characters that a chat's markdown gives a meaning: emphasis, code,
// links, mentions. Each becomes one that looks like it and has none.
var markup = strings.NewReplacer(
	"*", "∗", "`", "'", "~", "∼", "<", "‹", ">", "›", "[", "(", "]", ")", "|", "¦", "@", "＠")

// inert takes the markdown out of a text, which a finding, a tag or a person may have
// supplied.
func inert(s string) string { return markup.Replace(s) }
