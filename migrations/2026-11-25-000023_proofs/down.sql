drop table proofs;
