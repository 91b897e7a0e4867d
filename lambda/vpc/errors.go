package vpc

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"tourniquet/lambda/network"
)

// The error codes of EC2 that this package branches on.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
const (
	codeEntryExists   = "NetworkAclEntryAlreadyExists"       // CreateNetworkAclEntry: the number is taken, perhaps by our own lost call
	codeEntryLimit    = "NetworkAclEntryLimitExceeded"       // CreateNetworkAclEntry
	codeEntryGone     = "InvalidNetworkAclEntry.NotFound"    // DeleteNetworkAclEntry
	codeACLGone       = "InvalidNetworkAclID.NotFound"       // CreateNetworkAclEntry
	codeGroupMissing  = "InvalidGroup.NotFound"              // any call with a group that is new, or gone
	codeGroupExists   = "InvalidGroup.Duplicate"             // CreateSecurityGroup
	codeNoSuchRule    = "InvalidPermission.NotFound"         // Revoke…: somebody else was first
	codeENIGone       = "InvalidNetworkInterfaceID.NotFound" // ModifyNetworkInterfaceAttribute
	codeENIGoneOther  = "InvalidNetworkInterface.NotFound"   // likewise; both are documented
	codeAssociation   = "InvalidAssociationID.NotFound"      // ReplaceNetworkAclAssociation: the association was replaced since
	codeWrongState    = "IncorrectState"
	codeTooFast       = "RequestLimitExceeded"
	codeThrottled     = "EC2ThrottledException"
	codeUnavailable   = "Unavailable"
	codeServiceDown   = "ServiceUnavailable"
	codeInternalError = "InternalError"
)

// passing are the codes of errors that may be gone at the next look or try.
var passing = []string{
	codeEntryExists, codeACLGone, codeGroupMissing, codeENIGone, codeENIGoneOther, codeAssociation, codeWrongState,
	codeTooFast, codeThrottled, codeUnavailable, codeServiceDown, codeInternalError,
}

// code is the EC2 error code in an error, or empty. It is trimmed, since EC2's
// documentation prints some codes with a blank at the end.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return strings.TrimSpace(api.ErrorCode())
	}
	return ""
}

// refusal turns an answer that no retry would change into a network.Refusal. It
// leaves every other error as it is.
func refusal(err error) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorFault() == smithy.FaultServer || slices.Contains(passing, code(err)) {
		return err
	}
	return network.Refusal{
		Reason: "EC2 refuses (" + code(err) + "): " + strings.TrimSpace(api.ErrorMessage()),
		Full:   code(err) == codeEntryLimit,
	}
}
