package host

// ContainActions are the IAM actions that isolating a host needs, each of an API call
// in this package. The stack limits ssm:SendCommand to the document of IsolateName
// and to this account's instances; ssm:GetCommandInvocation knows no resource.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
var ContainActions = []string{"ssm:GetCommandInvocation", "ssm:SendCommand"}

// ReleaseActions are the IAM actions that restoring a host needs. The stack limits
// ssm:SendCommand to the document of RestoreName.
var ReleaseActions = []string{"ssm:GetCommandInvocation", "ssm:SendCommand"}
