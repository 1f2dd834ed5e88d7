# Writes JSON into record.json in one step, while the lease holds.
verify
printf '%s\n' "$JSON" >".record-$$" && mv -f ".record-$$" record.json
