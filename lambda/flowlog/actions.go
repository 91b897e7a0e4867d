package flowlog

// ContainActions are the IAM actions that making and reading flow logs needs, each of an
// API call in this package; and iam:PassRole, which EC2 asks for when a flow log is made
// with a role. The tag that it is made with needs ec2:CreateTags too, which the stack
// gives with a condition of its own.
// https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
var ContainActions = []string{"ec2:CreateFlowLogs", "ec2:DescribeFlowLogs", "logs:FilterLogEvents", "iam:PassRole"}

// ReleaseActions are the IAM actions that deleting them needs.
var ReleaseActions = []string{"ec2:DeleteFlowLogs", "ec2:DescribeFlowLogs"}
