# tourniquet-restore: take away the rules that tourniquet-isolate set, and no others.
#
# THIS SCRIPT HAS NOT BEEN RUN: see isolate.ps1.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$group = 'Tourniquet'
$result = [ordered]@{ version = 1; rules = 'none'; closed = 0; left = 0; truncated = $false; error = '' }
try {
    $ours = @(Get-NetFirewallRule -Group $group -ErrorAction SilentlyContinue)
    if ($ours.Count -gt 0) { $ours | Remove-NetFirewallRule }
} catch {
    $result.error = "$_" -replace '[^ -~]', ' '
    if ($result.error.Length -gt 400) { $result.error = $result.error.Substring(0, 400) }
}
if (@(Get-NetFirewallRule -Group $group -ErrorAction SilentlyContinue).Count -gt 0) { $result.rules = 'windows' }
Write-Output (ConvertTo-Json -InputObject $result -Compress)
if ($result.rules -eq 'none') { exit 0 } else { exit 1 }
