// Package hub notes in Security Hub that a finding which came from there has been
// acted on: it sets the finding's workflow to NOTIFIED and leaves a note.
package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/aws/aws-sdk-go-v2/service/securityhub/types"

	"tourniquet/lambda/guardduty"
)

// Actions are the IAM actions of the calls that this package makes.
var Actions = []string{"securityhub:BatchUpdateFindings"}

// FieldKey begins the condition keys by which IAM limits the fields of the call: what
// follows is a field's name.
// https://docs.aws.amazon.com/securityhub/latest/userguide/finding-update-batchupdatefindings.html
const FieldKey = "securityhub:ASFFSyntaxPath/"

// UnusedFields are the fields of the call that this package never sets, as IAM names
// them. A role may demand that they are absent; what is left are the workflow's status
// and the note.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSSystemsManagerOpsDataSyncServiceRolePolicy.html
var UnusedFields = []string{
	"Confidence", "Criticality", "RelatedFindings", "Severity.Label", "Severity.Normalized", "Severity.Product",
	"Types", "UserDefinedFields.key", "UserDefinedFields.value", "VerificationState",
}

// StatusField is the field whose value a role may limit to Notified.
const StatusField = "Workflow.Status"

// Notified is the workflow status that is set.
const Notified = string(types.WorkflowStatusNotified)

// The limits of the call, in findings; of a note and of an id, in bytes.
// https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchUpdateFindings.html
const (
	maxFindings = 100
	maxNote     = 512
	maxID       = 512
)

// A Finding is a finding as Security Hub identifies it.
type Finding struct {
	ID         string
	ProductARN string
}

// FromEvent are the findings of an event that came through Security Hub's custom action,
// as far as GuardDuty made them; none for any other event.
// https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-cwe-event-formats.html
func FromEvent(raw []byte) []Finding {
	var event struct {
		Source string
		Detail struct {
			Findings []struct{ ID, ProductARN string } // encoding/json ignores the case
		}
	}
	// An event that can't be read in part is still read as far as it can be.
	_ = json.Unmarshal(raw, &event)
	if event.Source != guardduty.SourceSecurityHub {
		return nil
	}
	var from []Finding
	for _, f := range event.Detail.Findings {
		if f.ID != "" && len(f.ID) <= maxID && strings.HasSuffix(f.ProductARN, "::product/aws/guardduty") && len(f.ProductARN) <= maxID {
			from = append(from, Finding{f.ID, f.ProductARN})
		}
	}
	return from
}

// A Hub is Security Hub in the account and Region. Its client is made at the first
// note: most findings do not come from there.
type Hub struct{ client func() *securityhub.Client }

// New is Security Hub.
func New(cfg aws.Config) *Hub {
	return &Hub{client: sync.OnceValue(func() *securityhub.Client { return securityhub.NewFromConfig(cfg) })}
}

// Note marks findings as notified, and says why. It is safe to repeat.
func (h *Hub) Note(ctx context.Context, findings []Finding, text string) error {
	text = guardduty.Clean(text, maxNote)
	var errs []error
	for part := range slices.Chunk(findings, maxFindings) {
		errs = append(errs, h.note(ctx, part, text))
	}
	return errors.Join(errs...)
}

func (h *Hub) note(ctx context.Context, findings []Finding, text string) error {
	in := &securityhub.BatchUpdateFindingsInput{
		Note:     &types.NoteUpdate{Text: &text, UpdatedBy: aws.String("tourniquet")},
		Workflow: &types.WorkflowUpdate{Status: types.WorkflowStatusNotified},
	}
	for _, f := range findings {
		in.FindingIdentifiers = append(in.FindingIdentifiers, types.AwsSecurityFindingIdentifier{Id: &f.ID, ProductArn: &f.ProductARN})
	}
	out, err := h.client().BatchUpdateFindings(ctx, in)
	if err != nil {
		return fmt.Errorf("noting in Security Hub: %w", err)
	}
	var errs []error
	for _, u := range out.UnprocessedFindings {
		id := ""
		if u.FindingIdentifier != nil {
			id = aws.ToString(u.FindingIdentifier.Id)
		}
		errs = append(errs, fmt.Errorf("noting in Security Hub: %s: %s: %s", id, aws.ToString(u.ErrorCode), aws.ToString(u.ErrorMessage)))
	}
	return errors.Join(errs...)
}
