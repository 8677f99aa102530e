obj.spec.training.nonce = (obj.spec.training.nonce or 0) + 1
return obj
